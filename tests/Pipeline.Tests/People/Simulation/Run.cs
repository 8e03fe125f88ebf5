using System.Collections.Immutable;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.People;

namespace VarianceActors.Pipeline.Tests.People.Simulation;

/// <summary>One seeded run of the real protocol on a network and in memories that fail; then everything heals and must
/// come to rest where the oracle says.</summary>
internal sealed class Run
{
    private const int ChaosSteps = 260;
    private const int HealSteps = 20_000;
    private const int BagMax = 300;

    private readonly Random _random;
    private readonly ImmutableArray<PersonId> _homes;
    private readonly PersonRules _rules;
    private readonly SimulatedEvent[][] _events;
    private readonly Oracle _oracle;
    private readonly List<PersonFact>[] _journals;
    private readonly PersonState[] _durable;
    private readonly List<Copy>[] _copies;
    private readonly List<IPersonMessage> _bag = [];
    private readonly int[] _committed;
    private readonly Dictionary<(int Id, long Offset), EventChange> _answers = [];
    private readonly HashSet<(int Id, long Offset)> _ledger = [];
    private readonly HashSet<string> _aliases = [];
    private readonly Dictionary<ulong, ulong> _lanes = [];
    private readonly HashSet<(string UserId, ulong Lane)> _said = [];
    private readonly bool _isFenced;
    private Tally _tally;
    private bool _heals;

    private Run(int seed, ProtocolFaults faults, bool isFenced)
    {
        _random = new Random(seed);
        _isFenced = isFenced;
        _homes = Script.DrawHomes(_random);
        _rules = Script.DrawRules(_random) with { Faults = faults, RefusalsKept = seed % 3 };
        _events = Script.Draw(_random, _homes, _rules);
        _oracle = new Oracle(_events, _rules, at => _homes[at]);
        _journals = [.. _homes.Select(_ => new List<PersonFact>())];
        _durable = [.. _homes.Select(PersonState.Unborn)];
        _copies = [.. _homes.Select(_ => new List<Copy>())];
        _committed = new int[_homes.Length];
    }

    /// <summary>Throws if an invariant is violated.</summary>
    /// <param name="seed">All that is random.</param>
    /// <param name="faults">Steps of the protocol to leave out.</param>
    /// <param name="isFenced">False: the journal takes two rows with one number.</param>
    /// <returns>How often each fault and each step happened.</returns>
    public static Tally Play(int seed, ProtocolFaults faults = ProtocolFaults.None, bool isFenced = true)
    {
        var run = new Run(seed, faults, isFenced);
        for (var step = 0; step < ChaosSteps; step++)
        {
            run.Disturb();
            run.Step();
        }

        run.Heal();
        run.CheckRest();
        return run._tally;
    }

    private bool Chance(double of) => !_heals && _random.NextDouble() < of;

    private void Disturb()
    {
        if (Chance(.02))
        {
            _copies[_random.Next(_homes.Length)].Clear();
            _tally.Crashes++;
        }
    }

    private void Step()
    {
        if (_bag.Count == 0 || Chance(.25))
        {
            Tick(_random.Next(_homes.Length));
            return;
        }

        var at = _random.Next(_bag.Count);
        var message = _bag[at];
        if (Chance(.12))
        {
            _tally.Repeats++;
        }
        else
        {
            _bag[at] = _bag[^1];
            _bag.RemoveAt(_bag.Count - 1);
        }

        Deliver(message);
    }

    // Either the home's timer goes off, or the ingest actor of the id sends what is next, again if need be.
    private void Tick(int at)
    {
        if (_random.Next(2) == 0)
        {
            var copy = Live(at);
            Send(HomeNode.Resume(copy.State, _rules));
        }
        else
        {
            Ingest(at);
        }
    }

    private void Ingest(int id)
    {
        var from = _committed[id];
        if (from == _events[id].Length)
        {
            return;
        }

        var until = from + 1;
        var most = _events[id][from].Merge is null ? _random.Next(1, 4) : 1;
        while (until < _events[id].Length && until < from + most && _events[id][until].Merge is null)
        {
            until++;
        }

        Send(new ApplyEvents(
            _homes[id],
            _homes[id].DistinctId,
            [.. _events[id][from..until].Select(happening => happening.At)]));
    }

    private void Deliver(IPersonMessage message)
    {
        var at = _oracle.IndexOf(message.To.DistinctId);
        var copy = Live(at);
        var step = HomeNode.Handle(copy.State, message, _rules);
        if (!Persist(at, copy, step))
        {
            return;
        }

        copy.State = step.State;
        Send(step.Sends);
        if (step.Next is Next.Forward)
        {
            Send(message.Towards(step.State.Upwards!, step.State.Id));
        }
        else if (message is ApplyEvents apply && step.Next is Next.Done)
        {
            Answer(apply, step);
        }
    }

    private bool Persist(int at, Copy copy, Step step)
    {
        if (step.Facts.IsEmpty)
        {
            return true;
        }

        if (copy.Written != _journals[at].Count && _isFenced)
        {
            _copies[at].Remove(copy);
            _tally.Fenced++;
            return false;
        }

        foreach (var fact in step.Facts)
        {
            _journals[at].Add(fact);
            _oracle.Follow(at, fact);
            _durable[at] = Person.Evolve(_journals[at].Count == 1 ? null : _durable[at], fact);
            _tally.Count(fact);
            CheckOwners(fact);
        }

        copy.Written = _journals[at].Count;
        if (Chance(.06))
        {
            _copies[at].Clear();
            _tally.CrashesBeforeSend++;
            return false;
        }

        return true;
    }

    // Lost on the way, or committed by the ingest actor; a repeat says what was said before.
    private void Answer(ApplyEvents command, Step step)
    {
        var id = _oracle.IndexOf(command.DistinctId);
        Oracle.Check(!step.Outcomes.IsEmpty, "an answer says nothing");
        for (var at = 0; at < step.Outcomes.Length; at++)
        {
            var outcome = step.Outcomes[at];
            Oracle.Check(outcome.At.Offset == command.Events[at].Offset, "answers are out of order");
            if (_events[id].Skip(_committed[id]).All(happening => happening.At.Offset != outcome.At.Offset))
            {
                continue;
            }

            var said = _answers.GetValueOrDefault((id, outcome.At.Offset), outcome.Change);
            Oracle.Check(
                said.ContactChanged == outcome.Change.ContactChanged
                && said.GivenUpIds.SequenceEqual(outcome.Change.GivenUpIds),
                "a repeat was answered differently");
            _answers[(id, outcome.At.Offset)] = outcome.Change;
        }

        // Lost, or of a person that has become part of another one since: the ingest actor asks again.
        var lane = step.State.Id.Priority.Lane;
        if (Chance(.1) || _lanes.ContainsKey(lane))
        {
            return;
        }

        foreach (var outcome in step.Outcomes)
        {
            if (_committed[id] < _events[id].Length && _events[id][_committed[id]].At.Offset == outcome.At.Offset)
            {
                _committed[id]++;
                Commit(id, outcome, lane);
            }
        }
    }

    // One transaction: the ledger's row, the aliases that go out, and the lanes that end.
    private void Commit(int id, EventOutcome outcome, ulong lane)
    {
        Oracle.Check(_ledger.Add((id, outcome.At.Offset)), "I10: an event has two rows");
        foreach (var givenUp in outcome.Change.GivenUpIds)
        {
            Oracle.Check(_aliases.Add(givenUp), "I10: an alias goes out twice");
        }

        foreach (var behind in outcome.Behind)
        {
            foreach (var ended in _lanes.Where(ended => ended.Value == behind).Select(ended => ended.Key).ToList())
            {
                _lanes[ended] = lane;
            }

            _lanes.TryAdd(behind, lane);
        }

        foreach (var (_, said) in _said.Where(said => outcome.Change.GivenUpIds.Contains(said.UserId)))
        {
            Oracle.Check(
                _lanes.GetValueOrDefault(said, said) == lane, "I12: an alias need not wait for what was said of its id");
        }

        if (outcome.Person is { IsIdentified: true, UserId: { } userId })
        {
            _said.Add((userId, lane));
        }
    }

    private void Send(params ReadOnlySpan<IPersonMessage> messages)
    {
        foreach (var message in messages)
        {
            if (Chance(.08) || _bag.Count > BagMax)
            {
                _tally.Lost++;
            }
            else
            {
                _bag.Add(message);
            }
        }
    }

    private void Send(ImmutableArray<IPersonMessage> messages) => Send(messages.AsSpan());

    // Sometimes a second copy of a home is alive: only the journal's key can tell it from the first.
    private Copy Live(int at)
    {
        var copies = _copies[at];
        if (copies.Count == 0 || (copies.Count < 2 && Chance(.04)))
        {
            copies.Add(new Copy { State = _durable[at], Written = _journals[at].Count });
            return copies[^1];
        }

        return copies[copies.Count == 1 ? 0 : _random.Next(copies.Count)];
    }

    private void Heal()
    {
        _heals = true;
        foreach (var copies in _copies)
        {
            copies.Clear();
        }

        for (var step = 0; step < HealSteps; step++)
        {
            if (_bag.Count > 0)
            {
                Step();
                continue;
            }

            if (IsAtRest())
            {
                return;
            }

            for (var at = 0; at < _homes.Length; at++)
            {
                Send(HomeNode.Resume(Live(at).State, _rules));
                Ingest(at);
            }
        }

        throw new ViolationException("I8: it never comes to rest");
    }

    private bool IsAtRest() =>
        _durable.All(state => !state.IsBusy)
        && _committed.Zip(_events, (committed, events) => committed == events.Length).All(isDone => isDone);

    // I5, looked at whenever ownership may have changed hands.
    private void CheckOwners(PersonFact fact)
    {
        if (fact is PersonFact.EventApplied or PersonFact.MergeAsked)
        {
            return;
        }

        foreach (var home in _homes)
        {
            var owners = _durable.Count(state => state.IsOpen && state.Root.Members.ContainsKey(home.DistinctId));
            Oracle.Check(owners <= 1, "I5: two open homes hold one id");
        }
    }

    private void CheckRest()
    {
        Oracle.Check(_ledger.Count == _events.Sum(events => events.Length), "I10: an event has no row");
        Oracle.Check(_aliases.SetEquals(_oracle.GivenUp), "I10: the aliases that went out are others");
        for (var at = 0; at < _homes.Length; at++)
        {
            var root = Root(at);
            for (var other = 0; other < at; other++)
            {
                Oracle.Check(root == Root(other) == _oracle.AreOne(at, other), "I7: the partition differs");
            }

            Oracle.Check(
                _lanes.GetValueOrDefault(_homes[at].Priority.Lane, _homes[root].Priority.Lane) == _homes[root].Priority.Lane,
                "I11: a lane leads elsewhere than its home");
            Oracle.Check(
                _lanes.ContainsKey(_homes[at].Priority.Lane) == _journals[at].Any(fact => fact is PersonFact.Linked),
                "I11: a lane ended and its home did not, or the other way round");
            _oracle.CheckRoot(at, _durable[root]);
            foreach (var happening in _events[at].Where(happening => happening.Merge is not null))
            {
                var result = _oracle.ResultOf(at, happening.At.Offset);
                Oracle.Check(result is not null, "I9: a merge has no result");
            }
        }
    }

    private int Root(int at)
    {
        for (var hops = 0; hops <= _homes.Length; hops++)
        {
            if (_durable[at].Parent is not { } parent)
            {
                return at;
            }

            at = _oracle.IndexOf(parent.DistinctId);
        }

        throw new ViolationException("I1: a cycle");
    }

    private sealed class Copy
    {
        public required PersonState State { get; set; }

        public required int Written { get; set; }
    }
}

/// <summary>How often things happened; a fault that never happened proves nothing.</summary>
internal struct Tally
{
    public int Crashes;
    public int CrashesBeforeSend;
    public int Repeats;
    public int Lost;
    public int Fenced;
    public int Absorbed;
    public int Refused;
    public int Facts;

    public static Tally operator +(Tally left, Tally right) => new()
    {
        Crashes = left.Crashes + right.Crashes,
        CrashesBeforeSend = left.CrashesBeforeSend + right.CrashesBeforeSend,
        Repeats = left.Repeats + right.Repeats,
        Lost = left.Lost + right.Lost,
        Fenced = left.Fenced + right.Fenced,
        Absorbed = left.Absorbed + right.Absorbed,
        Refused = left.Refused + right.Refused,
        Facts = left.Facts + right.Facts,
    };

    public void Count(PersonFact fact)
    {
        Facts++;
        Absorbed += fact is PersonFact.Absorbed ? 1 : 0;
        Refused += fact is PersonFact.AbsorbRefused { Refusal.Reason: not RefusalReason.Settled } ? 1 : 0;
    }
}
