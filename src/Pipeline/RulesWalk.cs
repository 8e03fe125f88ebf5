using System.Globalization;
using Akka.Actor;
using Akka.Event;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Pipeline;

/// <summary>
/// Looks at every contact and then at every account once after the rules of a connection have changed, page by page over the
/// lists. How far it is, is kept, so that a restart goes on.
/// </summary>
internal sealed class RulesWalk(PipelineParts parts, ContactLook look, IActorRef accounts)
{
    private const int ItemsPerStep = 100;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private const int RepeatsMax = 10;
    private readonly HashSet<int> _done = [];
    private int _repeats;

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
            .ConfigureAwait(false) is { } found && found.Rules == rules.Fingerprint
            ? found
            : new WalkPlace(rules.Fingerprint, now, WalkPhase.Contacts, 0);
        if (place.Phase is WalkPhase.Done)
        {
            _done.Add(connection);
            return false;
        }

        var (next, failed) = place.Phase is WalkPhase.Contacts
            ? await ContactsAsync(connectionId, connection, place, now, log).ConfigureAwait(false)
            : await AccountsAsync(connectionId, connection, place, now, log).ConfigureAwait(false);
        if (failed > 0 && ++_repeats < RepeatsMax)
        {
            return false; // The page is done again, at the next sweep.
        }

        _repeats = 0;
        await parts.Database.WriteAsync(session => WalkStatements.Put(session, connection, next)).ConfigureAwait(false);
        return true;
    }

    private async Task<(WalkPlace Next, int Failed)> ContactsAsync(
        string connectionId, int connection, WalkPlace place, DateTimeOffset now, ILoggingAdapter log)
    {
        var page = await parts.Database
            .ReadAsync(session => WalkStatements.Contacts(session, connection, place.Number, ItemsPerStep))
            .ConfigureAwait(false);
        var name = $"rules:{place.Rules.ToString("x", CultureInfo.InvariantCulture)}:{place.Since.ToUnixTimeMilliseconds()}";
        var failed = await ContactLook.EachAsync(page, log, contact => look.LookAsync(
            new PersonId(connectionId, contact.UserId),
            new LookReason(name, place.Since, contact.Account),
            now,
            () => Task.CompletedTask)).ConfigureAwait(false);
        return (page.Count < ItemsPerStep
            ? place with { Phase = WalkPhase.Accounts, Number = 0 }
            : place with { Number = page[^1].Number }, failed);
    }

    private async Task<(WalkPlace Next, int Failed)> AccountsAsync(
        string connectionId, int connection, WalkPlace place, DateTimeOffset now, ILoggingAdapter log)
    {
        var page = await parts.Database
            .ReadAsync(session => WalkStatements.Accounts(session, connection, place.Number, ItemsPerStep))
            .ConfigureAwait(false);
        var failed = await ContactLook.EachAsync(page, log, account => accounts.Ask<AccountObserved>(
            new ObserveAccount(new AccountId(connectionId, account.Id), "", [], []) { LookAt = now },
            Patience)).ConfigureAwait(false);
        return (page.Count < ItemsPerStep
            ? place with { Phase = WalkPhase.Done, Number = 0 }
            : place with { Number = page[^1].Number }, failed);
    }
}
