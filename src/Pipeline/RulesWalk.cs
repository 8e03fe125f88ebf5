using Akka.Actor;
using Akka.Event;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Pipeline;

/// <summary>
/// Looks at every contact and then at every account once after the rules of a connection have changed, page by page over the
/// lists. How far it is, is kept, so that a restart goes on. A list has ended once all that was in the feed when the walk began,
/// or went on after a restart, is in it: who comes later was looked at with the rules as they are.
/// </summary>
internal sealed class RulesWalk(PipelineParts parts, ContactLook look, IActorRef accounts)
{
    private const int ItemsPerStep = 100;
    private const int FailuresMax = 3;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private readonly HashSet<int> _done = [];
    private readonly Dictionary<int, List<(int DeliveryPartition, long Next)>> _feedEnds = [];
    private readonly Dictionary<int, (WalkPlace Place, int Times)> _failures = [];

    /// <summary>The next page.</summary>
    /// <returns>Whether there may be more to do at once.</returns>
    public async Task<bool> StepAsync(string connectionId, int connection, DateTimeOffset now, ILoggingAdapter log)
    {
        var rules = parts.Options.Connections[connectionId].ToContactRules();
        if (rules.Matching is null || !parts.Options.Views.Enabled || _done.Contains(connection))
        {
            return false;
        }

        var place = await parts.Database
            .ReadAsync(session => WalkStatements.Find(session, connection))
            .ConfigureAwait(false);
        if (place?.Rules != rules.Fingerprint)
        {
            place = new WalkPlace(rules.Fingerprint, now, WalkPhase.Contacts, 0);
            await PutAsync(connection, place).ConfigureAwait(false);
            _feedEnds.Remove(connection);
        }

        if (place.Phase is WalkPhase.Done)
        {
            _done.Add(connection);
            return false;
        }

        var isFolded = await IsFoldedAsync(connection).ConfigureAwait(false); // before the page is read
        var (last, failed) = place.Phase is WalkPhase.Contacts
            ? await ContactsAsync(connectionId, connection, place, now, log).ConfigureAwait(false)
            : await AccountsAsync(connectionId, connection, place, now, log).ConfigureAwait(false);
        if (failed > 0 || (last is null && !isFolded))
        {
            return false; // The page is done again, at the next sweep.
        }

        var next = place.Phase is WalkPhase.Contacts ? WalkPhase.Accounts : WalkPhase.Done;
        place = last is { } number ? place with { Number = number } : place with { Phase = next, Number = 0 };
        await PutAsync(connection, place).ConfigureAwait(false);
        return true;
    }

    private Task<bool> PutAsync(int connection, WalkPlace place) =>
        parts.Database.WriteAsync(session => WalkStatements.Put(session, connection, place));

    private Task<bool> IsFoldedAsync(int connection) => parts.Database.ReadAsync(session =>
    {
        if (!_feedEnds.TryGetValue(connection, out var ends))
        {
            _feedEnds[connection] = ends = FeedStatements.Ends(session, connection);
        }

        return FeedStatements.IsFolded(session, connection, ends);
    });

    // Up to whom the page goes, null if it is the last one, and how many hold it up.
    private async Task<(long? Last, int Failed)> ContactsAsync(
        string connectionId, int connection, WalkPlace place, DateTimeOffset now, ILoggingAdapter log)
    {
        var page = await parts.Database
            .ReadAsync(session => WalkStatements.Contacts(session, connection, place.Number, ItemsPerStep))
            .ConfigureAwait(false);
        var failed = await ContactLook.EachAsync(page, log, contact => look.LookAsync(
            new PersonId(connectionId, contact.UserId),
            new LookReason(place.Since, contact.Account, place.Rules),
            now,
            () => Task.CompletedTask)).ConfigureAwait(false);
        var last = LastOf(page, contact => contact.Number);
        if (failed.Count == 0 || failed.Any(one => one.HasOtherRules) || !HasFailedOften(connection, place))
        {
            return (last, failed.Count);
        }

        // They hold up nobody: the sweep goes on trying, and tells what has moved since the walk began.
        await parts.Database.WriteAsync(session =>
        {
            foreach (var (contact, _) in failed)
            {
                ViewStatements.SetDue(session, connection, contact.Person, place.Since, contact.UserId);
            }

            return true;
        }).ConfigureAwait(false);
        return (last, 0);
    }

    private async Task<(long? Last, int Failed)> AccountsAsync(
        string connectionId, int connection, WalkPlace place, DateTimeOffset now, ILoggingAdapter log)
    {
        var page = await parts.Database
            .ReadAsync(session => WalkStatements.Accounts(session, connection, place.Number, ItemsPerStep))
            .ConfigureAwait(false);
        var failed = await ContactLook.EachAsync(page, log, account => accounts.Ask<AccountObserved>(
            new ObserveAccount(new AccountId(connectionId, account.Id), "", [], []) { LookAt = now },
            Patience)).ConfigureAwait(false);
        return (LastOf(page, account => account.Number), failed.Count);
    }

    private static long? LastOf<T>(List<T> page, Func<T, long> number) =>
        page.Count < ItemsPerStep ? null : number(page[^1]);

    private bool HasFailedOften(int connection, WalkPlace place)
    {
        var times = _failures.TryGetValue(connection, out var failed) && failed.Place == place ? failed.Times + 1 : 1;
        _failures[connection] = (place, times);
        return times >= FailuresMax;
    }
}
