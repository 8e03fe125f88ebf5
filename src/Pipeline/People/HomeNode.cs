using System.Collections.Immutable;
using System.Diagnostics;
using VarianceActors.Pipeline.Accounts;

namespace VarianceActors.Pipeline.People;

/// <summary>What becomes of the message itself.</summary>
public enum Next
{
    /// <summary>It is dealt with.</summary>
    Done,

    /// <summary>It waits here until the home is not busy any more.</summary>
    Wait,

    /// <summary>It goes on to <see cref="PersonState.Upwards"/>, with its sender.</summary>
    Forward,

    /// <summary>It is dropped, and whoever sent it asks again: this is a stale copy of a home, soon to be stopped by
    /// the
    /// journal's key.</summary>
    Drop,
}

/// <summary>What a message makes a home do.</summary>
/// <param name="State">The state once the facts are durable.</param>
/// <param name="Facts">To be persisted together, before anything else is done.</param>
/// <param name="Sends">To be sent once the facts are durable; may be lost, because whoever needs them asks
/// again.</param>
/// <param name="Outcomes">The answer to <see cref="ApplyEvents"/>, once the facts are durable; empty if there is none
/// yet.</param>
/// <param name="Next">What becomes of the message.</param>
public sealed record Step(
    PersonState State,
    ImmutableArray<PersonFact> Facts,
    ImmutableArray<IPersonMessage> Sends,
    ImmutableArray<EventOutcome> Outcomes,
    Next Next)
{
    /// <summary>Where a person moved without an event.</summary>
    public ContactMove? Moved { get; init; }
}

/// <summary>Seal, Absorb, Link: how the homes of distinct ids become one person, whatever is lost, repeated or
/// reordered.</summary>
/// <remarks>A root is only ever linked under a root of higher priority, so no order of messages can make a cycle or a
/// deadlock. Which side is source or target of a merge decides the policy, never the direction of the link.</remarks>
public static class HomeNode
{
    private static readonly MergeRefusal Again = new(RefusalReason.Settled, null);

    /// <summary>One message, one step.</summary>
    public static Step Handle(PersonState state, IPersonMessage message, PersonRules rules) => message switch
    {
        ApplyEvents apply => Apply(state, apply, rules),
        GetPerson get => Quiet(state, Find(state, get.DistinctId)),
        GetHistory get => Quiet(state, Find(state, get.DistinctId)),
        TellAccount tell => Quiet(state, Find(state, tell.DistinctId)),
        Unite unite => Unite(state, unite, rules),
        Absorb absorb => Absorb(state, absorb, rules),
        SealAbsorbed absorbed => Link(state, absorbed),
        SealRefused refused => Unseal(state, refused, rules),
        ShortenPath shorten => Shorten(state, shorten),
        SplitPerson split => Split(state, split),
        PinContactStage pin => Pin(state, pin, rules),
        RewriteHome rewrite => Rewrite(state, rewrite),
        LookAgain look => Look(state, look, rules),
        ResumeMerge => new Step(state, [], Resume(state, rules), [], Next.Done),
        _ => throw new UnreachableException(message.GetType().Name),
    };

    /// <summary>What a home with unfinished business asks for, again on a timer and after recovery.</summary>
    public static ImmutableArray<IPersonMessage> Resume(PersonState state, PersonRules rules)
    {
        if (state.Parent is not null)
        {
            return [];
        }

        return state.Seal is not null
            ? [AskToBeAbsorbed(state, rules)]
            : [.. state.Root.Pending.Select(IPersonMessage (pending) => AskToUnite(state, pending))];
    }

    /// <summary>Two roots as the two sides of a merge, each seen from the person that it is about.</summary>
    internal static (PersonRoot Source, PersonRoot Target) Sides(PersonRoot here, PersonRoot other, MergeAsk ask) =>
        here.Members.ContainsKey(ask.TargetId)
            ? (other.SeenFrom(ask.SourceId), here.SeenFrom(ask.TargetId))
            : (here.SeenFrom(ask.SourceId), other.SeenFrom(ask.TargetId));

    // While sealed, the person may already live elsewhere and know more.
    private static Next Find(PersonState state, string distinctId) => state switch
    {
        { Parent: not null } => Next.Forward,
        { Seal: not null } => Next.Wait,
        _ => state.Root.Members.ContainsKey(distinctId) ? Next.Done : Next.Drop,
    };

    private static Step Apply(PersonState state, ApplyEvents command, PersonRules rules)
    {
        if (state.Parent is not null)
        {
            return Quiet(state, Next.Forward);
        }

        if (!state.Root.Members.ContainsKey(command.DistinctId))
        {
            return Quiet(state, Next.Drop);
        }

        var waits = state.Seal is not null && !rules.Faults.HasFlag(ProtocolFaults.NoFreezeWhileSealed);
        if (waits || !state.Root.Pending.IsEmpty)
        {
            return Quiet(state, Next.Wait);
        }

        var decision = Person.Decide(state, command, rules);
        if (!decision.Outcomes.IsEmpty)
        {
            return new Step(decision.State, decision.Facts, Shortened(state, command), decision.Outcomes, Next.Done);
        }

        var pending = decision.State.Root.Pending[^1];
        if (!decision.State.Root.Members.ContainsKey(pending.Ask.SourceId))
        {
            return new Step(decision.State, decision.Facts, [AskToUnite(state, pending)], [], Next.Wait);
        }

        var (settled, fact) = EndHere(decision.State, pending, rules);
        var answer = Person.Decide(settled, command, rules);
        return new Step(settled, [.. decision.Facts, fact], Shortened(state, command), answer.Outcomes, Next.Done);
    }

    private static Step Unite(PersonState state, Unite message, PersonRules rules)
    {
        if (state.Parent is not null)
        {
            return Quiet(state, Next.Forward);
        }

        if (state.Seal is not null)
        {
            return Quiet(state, Next.Done);
        }

        var (id, ask) = message.Merge;
        var holdsSource = state.Root.Members.ContainsKey(ask.SourceId);
        if (holdsSource && state.Root.Members.ContainsKey(ask.TargetId))
        {
            return End(state, state.Root.PendingOf(id), rules);
        }

        var seals = rules.Faults.HasFlag(ProtocolFaults.LinkInTheEventsDirection)
            ? holdsSource
            : state.Id.Priority < message.Other.Priority;
        if (!seals)
        {
            return Tell(state, new Unite(message.Other, message.Merge, state.Id) { Refusals = state.Root.Refusals });
        }

        var seal = new Seal(state.Seals + 1, message.Merge, message.Other) { Refusals = message.Refusals };
        var (sealing, fact) = Record(state, new PersonFact.Sealed(seal));
        return new Step(sealing, [fact], [AskToBeAbsorbed(sealing, rules)], [], Next.Done);
    }

    private static Step Absorb(PersonState state, Absorb message, PersonRules rules)
    {
        var isMember = state.Root.Members.ContainsKey(message.Child.DistinctId);
        if (isMember && !rules.Faults.HasFlag(ProtocolFaults.AbsorbedChildrenForgotten))
        {
            return Tell(state, new SealAbsorbed(message.Child, message.Number, state.Id));
        }

        if (state.Parent is not null)
        {
            return Quiet(state, Next.Forward);
        }

        if (state.Root.Refused.TryGetValue(message.Child.DistinctId, out var refused)
            && message.Number <= refused.Number)
        {
            return message.Number < refused.Number
                ? Quiet(state, Next.Done)
                : Tell(state, new SealRefused(message.Child, message.Number, refused.Refusal));
        }

        if (state.Seal is not null && !rules.Faults.HasFlag(ProtocolFaults.SealedNodeAbsorbs))
        {
            return Quiet(state, Next.Done);
        }

        // A fact like every answer that is no repeat: a stale copy of this home may not know that the child has joined.
        return message.Refusals < state.Root.Forgotten
            && !rules.Faults.HasFlag(ProtocolFaults.ForgottenRefusalsJudgedAgain)
                ? Refuse(state, message, Again, null, rules)
                : Judge(state, message, rules);
    }

    // The two persons are frozen here, one by its seal and one by being judged: policy and merge are one fact.
    private static Step Judge(PersonState state, Absorb message, PersonRules rules)
    {
        var here = state.Root;
        var pending = here.PendingOf(message.Merge) ?? message.Frozen.PendingOf(message.Merge);
        if (pending is null)
        {
            return Refuse(state, message, Again, null, rules);
        }

        var (source, target) = Sides(here, message.Frozen, pending.Ask);
        if (MergePolicy.Refuse(pending, source, target, rules) is { } refusal)
        {
            return Refuse(state, message, refusal, here.PendingOf(message.Merge), rules);
        }

        var joined = MergePolicy.Join(source, target);
        var settled = MergePolicy.Settle(
            joined,
            pending,
            MergePolicy.Admit(source, target),
            rules,
            target.Profile?.Contact?.Turn);
        var (absorbing, fact) = Record(
            state,
            new PersonFact.Absorbed(message.Child, message.Number, message.Frozen, settled));
        var answer = new SealAbsorbed(message.Child, message.Number, state.Id);
        return new Step(absorbing, [fact], [answer, .. Resume(absorbing, rules)], [], Next.Done);
    }

    private static Step Refuse(
        PersonState state,
        Absorb message,
        MergeRefusal refusal,
        PendingMerge? own,
        PersonRules rules)
    {
        var settled = own is null ? null : SettleRefused(state.Root, own, refusal, rules);
        var (refusing, fact) = Record(
            state,
            new PersonFact.AbsorbRefused(message.Child, message.Number, refusal, settled)
            {
                Forgotten = Forgotten(state.Root, rules.RefusalsKept),
            });
        var answer = new SealRefused(message.Child, message.Number, refusal);
        return new Step(refusing, [fact], [answer], [], Next.Done);
    }

    // Of the refusals with one more, all but the newest; 0 for none.
    private static long Forgotten(PersonRoot root, int kept) => root.Refused.Count < kept
        ? 0
        : root.Refused.Values.Select(seal => seal.At).Append(root.Refusals).Order().ElementAt(root.Refused.Count - kept) + 1;

    private static Step Link(PersonState state, SealAbsorbed message)
    {
        if (state.Seal?.Number != message.Number)
        {
            return Quiet(state, Next.Done);
        }

        var (linked, fact) = Record(state, new PersonFact.Linked(message.Number, message.Parent));
        return new Step(linked, [fact], [], [], Next.Done);
    }

    private static Step Unseal(PersonState state, SealRefused message, PersonRules rules)
    {
        var answers = state.Seal is { } seal
            && (seal.Number == message.Number || rules.Faults.HasFlag(ProtocolFaults.SealNumberNotChecked));
        if (!answers)
        {
            return Quiet(state, Next.Done);
        }

        var own = state.Root.PendingOf(state.Seal!.Merge.Id);
        var settled = own is null || message.Refusal.Reason is RefusalReason.Settled
            ? null
            : SettleRefused(state.Root, own, message.Refusal, rules);
        var (open, fact) = Record(
            state,
            new PersonFact.Unsealed(message.Number, message.Refusal.Reason, settled)
            {
                Asked = settled is null ? message.Refusal.Asked : null,
            });
        return new Step(open, [fact], Resume(open, rules), [], Next.Done);
    }

    private static Step Shorten(PersonState state, ShortenPath message) =>
        Quiet(
            state.Upwards is { } upwards && message.Ancestor.Priority > upwards.Priority
                ? state with { Shortcut = message.Ancestor }
                : state,
            Next.Done);

    private static Step End(PersonState state, PendingMerge? pending, PersonRules rules)
    {
        if (pending is null)
        {
            return Quiet(state, Next.Done);
        }

        var (ended, fact) = EndHere(state, pending, rules);
        return new Step(ended, [fact], Resume(ended, rules), [], Next.Done);
    }

    // Both ids are here: one person already, unless a merge was taken back.
    private static (PersonState State, PersonFact Fact) EndHere(
        PersonState state,
        PendingMerge pending,
        PersonRules rules)
    {
        var source = state.Root.SeenFrom(pending.Ask.SourceId);
        var target = state.Root.SeenFrom(pending.Ask.TargetId);
        var held = target.Profile?.Contact?.Turn;
        var settled = source.Ids[0] == target.Ids[0]
            ? MergePolicy.Settle(target, pending, MergeResult.Same, rules, held)
            : MergePolicy.Refuse(pending, source, target, rules) is { } refusal
                ? SettleRefused(target, pending, refusal, rules)
                : MergePolicy.Settle(
                    MergePolicy.JoinInside(target, pending.Ask),
                    pending,
                    MergePolicy.Admit(source, target),
                    rules,
                    held);
        return Record(state, new PersonFact.MergeEnded(settled));
    }

    /// <summary>What an open root notes when it hears how an account calls itself.</summary>
    internal static Step Hear(PersonState state, string key, AccountCard card)
    {
        var into = card.Id == key ? null : card.Id;
        var facts = ImmutableArray.CreateBuilder<PersonFact>();
        foreach (var id in state.IsOpen ? state.Root.FirstIds : [])
        {
            var contact = state.Root.SeenFrom(id).Profile?.Contact;
            if (contact?.Account?.Key == key && contact.Into != into)
            {
                (state, var fact) = Record(state, new PersonFact.AccountRedirected(id, key, into));
                facts.Add(fact);
            }
        }

        return new Step(state, facts.DrainToImmutable(), [], [], Next.Done);
    }

    private static Step Pin(PersonState state, PinContactStage message, PersonRules rules)
    {
        var next = Find(state, message.DistinctId);
        var root = state.Root.SeenFrom(message.DistinctId);
        if (next is not Next.Done || root.Profile is not { IsIdentified: true } profile)
        {
            return Quiet(state, next);
        }

        if (rules.Contacts.Pin(profile, message) is not { } turn || turn == profile.Contact?.Turn)
        {
            return Quiet(state, Next.Done);
        }

        var (pinned, fact) = Record(state, new PersonFact.StagePinned(message.DistinctId, turn));
        return new Step(pinned, [fact], [], [], Next.Done) { Moved = MoveOf(profile, pinned, message.DistinctId) };
    }

    private static Step Look(PersonState state, LookAgain message, PersonRules rules)
    {
        var next = Find(state, message.DistinctId);
        var root = state.Root.SeenFrom(message.DistinctId);
        if (next is not Next.Done
            || root.Profile is not { IsIdentified: true } profile
            || rules.Contacts.Look(profile.Contact, profile.Properties, true, message.At) is not { } turn)
        {
            return Quiet(state, next);
        }

        var (looked, fact) = Record(
            state,
            new PersonFact.WindowEnded(
                message.DistinctId, turn with { LookedAt = message.At, LookedAs = profile.Version + 1 }, message.At));
        return new Step(looked, [fact], [], [], Next.Done) { Moved = MoveOf(profile, looked, message.DistinctId) };
    }

    private static ContactMove? MoveOf(PersonProfile before, PersonState after, string distinctId)
    {
        var now = after.Root.SeenFrom(distinctId).Profile!;
        return ContactMove.Of(now.Version, before.Contact?.Turn, now.Contact?.Turn);
    }

    private static SettledMerge SettleRefused(
        PersonRoot root,
        PendingMerge pending,
        MergeRefusal refusal,
        PersonRules rules) => MergePolicy.Settle(
        root,
        pending,
        MergeResult.Refused,
        rules,
        root.SeenFrom(pending.Ask.TargetId).Profile?.Contact?.Turn,
        refusal);

    // Computed from the journal as it was: if anything happened since, it is computed again.
    private static Step Split(PersonState state, SplitPerson message)
    {
        if (!state.IsOpen || state.IsBusy || state.Facts != message.Facts)
        {
            return Quiet(state, Next.Done);
        }

        var (split, fact) = Record(state, message.Split);
        return new Step(split, [fact], [], [], Next.Done);
    }

    private static Step Rewrite(PersonState state, RewriteHome message)
    {
        if (state.IsBusy || state.Facts == 0)
        {
            return Quiet(state, Next.Done);
        }

        var rest = state with { Root = state.Root.Without([.. message.Without]) };
        var fact = new PersonFact.Rewritten(rest, state.Facts + 1) { Home = state.Id };
        return new Step(Person.Evolve(state, fact), [fact], [], [], Next.Done);
    }

    private static (PersonState State, PersonFact Fact) Record(PersonState state, PersonFact fact)
    {
        var stamped = Person.Stamp(state, fact);
        return (Person.Evolve(state, stamped), stamped);
    }

    private static Unite AskToUnite(PersonState state, PendingMerge pending) =>
        new(state.Id.Beside(pending.Ask.SourceId), pending.Merge, state.Id) { Refusals = state.Root.Refusals };

    private static Absorb AskToBeAbsorbed(PersonState state, PersonRules rules)
    {
        var seal = state.Seal!;
        var frozen = state.Root;
        if (rules.Faults.HasFlag(ProtocolFaults.CursorsNotMoved))
        {
            var members = frozen.Members.ToImmutableDictionary(pair => pair.Key, _ => Member.Unheard);
            frozen = frozen with { Members = members };
        }

        if (rules.Faults.HasFlag(ProtocolFaults.PendingMergeNotMoved))
        {
            frozen = frozen with { Pending = [] };
        }

        return new Absorb(seal.Into, state.Id, seal.Number, seal.Merge.Id, frozen) { Refusals = seal.Refusals };
    }

    private static ImmutableArray<IPersonMessage> Shortened(PersonState root, ApplyEvents command) =>
        command.Through.Length < 2
            ? []
            : [.. command.Through[..^1].Select(IPersonMessage (home) => new ShortenPath(home, root.Id))];

    private static Step Tell(PersonState state, IPersonMessage message) => new(state, [], [message], [], Next.Done);

    private static Step Quiet(PersonState state, Next next) => new(state, [], [], [], next);
}
