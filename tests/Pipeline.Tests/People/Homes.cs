using System.Collections.Immutable;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;

namespace VarianceActors.Pipeline.Tests.People;

/// <summary>All homes of a connection on a network that loses nothing: the pure functions, without actors.</summary>
internal sealed class Homes(PersonRules? rules = null)
{
    private readonly PersonRules _rules = rules ?? PersonRules.Posthog;
    private readonly Dictionary<PersonId, PersonState> _states = [];
    private readonly Dictionary<PersonId, List<PersonFact>> _journals = [];
    private readonly Queue<IPersonMessage> _network = new();
    private readonly List<IPersonMessage> _waiting = [];
    private readonly Dictionary<string, ImmutableArray<EventOutcome>> _answers = [];
    private readonly List<(PersonId Home, PersonFact Fact)> _history = [];
    private long _offset;

    /// <summary>All facts in the order in which they became durable.</summary>
    public IReadOnlyList<(PersonId Home, PersonFact Fact)> History => _history;

    public IReadOnlyDictionary<PersonId, List<PersonFact>> Journals => _journals;

    public static PersonId Home(string distinctId) => new(Captured.Connection, distinctId);

    /// <summary>Applies one event, to the end of the merge it asks for.</summary>
    public EventOutcome Apply(CaptureEvent captured) => ApplyAll(captured)[0];

    /// <summary>Applies events of one distinct id as one command.</summary>
    public ImmutableArray<EventOutcome> ApplyAll(params CaptureEvent[] events) =>
        Ask(new ApplyEvents(
            Home(events[0].DistinctId),
            events[0].DistinctId,
            [.. events.Select(captured => new EventAt(++_offset, captured))]));

    public ImmutableArray<EventOutcome> Ask(ApplyEvents command)
    {
        _answers.Remove(command.DistinctId);
        _network.Enqueue(command);
        while (_network.TryDequeue(out var message))
        {
            Deliver(message);
        }

        return _answers[command.DistinctId];
    }

    public PersonSnapshot? Person(string distinctId) => Root(distinctId).Snapshot(distinctId);

    /// <summary>What would take back the merge that an event asked for; null if there is none.</summary>
    public SplitPerson? PlanSplit(string distinctId, Guid mergeEvent)
    {
        var root = Root(distinctId);
        if (root.Snapshot(distinctId) is not { } person)
        {
            return null;
        }

        var found = new HistoryFound(root.Id, root.Facts, person, [.. root.Root.Members.Keys]);
        var facts = _history.Where(one => root.Root.Members.ContainsKey(one.Home.DistinctId)).Select(one => one.Fact);
        return MergeSplit.Of(found, [.. facts], mergeEvent, _rules) is { IsDone: false } split
            ? new SplitPerson(root.Id, root.Facts, split.Fact)
            : null;
    }

    /// <summary>Takes the merge back that an event asked for; false if there is none.</summary>
    public bool Split(string distinctId, Guid mergeEvent)
    {
        if (PlanSplit(distinctId, mergeEvent) is not { } split)
        {
            return false;
        }

        Deliver(split);
        return true;
    }

    /// <summary>Sends a message that asks for no events to the root of an id.</summary>
    public void Tell(Func<PersonId, IPersonMessage> message, string distinctId) => Deliver(message(Root(distinctId).Id));

    public PersonState Root(string distinctId)
    {
        var state = State(Home(distinctId));
        while (state.Parent is { } parent)
        {
            state = State(parent);
        }

        return state;
    }

    public PersonState State(PersonId home) =>
        _states.TryGetValue(home, out var state) ? state : _states[home] = PersonState.Unborn(home);

    /// <summary>The state that a home would have after a crash.</summary>
    public PersonState Replayed(PersonId home) =>
        _journals.GetValueOrDefault(home, []).Aggregate((PersonState?)null, Pipeline.People.Person.Evolve)
        ?? PersonState.Unborn(home);

    /// <summary>Every home forgets what is not in its journal.</summary>
    public void Crash()
    {
        foreach (var home in _states.Keys.ToArray())
        {
            _states[home] = Replayed(home);
        }
    }

    private void Deliver(IPersonMessage message)
    {
        var step = HomeNode.Handle(State(message.To), message, _rules);
        _states[message.To] = step.State;
        _journals.TryAdd(message.To, []);
        _journals[message.To].AddRange(step.Facts);
        _history.AddRange(step.Facts.Select(fact => (message.To, fact)));
        foreach (var sent in step.Sends)
        {
            _network.Enqueue(sent);
        }

        switch (step.Next)
        {
            case Next.Wait:
                _waiting.Add(message);
                break;
            case Next.Forward:
                _network.Enqueue(message.Towards(step.State.Upwards!, step.State.Id));
                break;
            default:
                if (message is ApplyEvents apply)
                {
                    _answers[apply.DistinctId] = step.Outcomes;
                }

                break;
        }

        if (!step.State.IsBusy)
        {
            foreach (var waited in _waiting.Where(waited => waited.To == message.To).ToArray())
            {
                _waiting.Remove(waited);
                _network.Enqueue(waited);
            }
        }
    }
}
