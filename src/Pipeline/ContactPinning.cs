using System.Collections.Immutable;
using System.Globalization;
using Akka.Actor;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Mapping;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Stages;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Pipeline;

/// <summary>Pins the stage of a contact, tells its account and Variance. A call that failed half way is made good by
/// calling again.</summary>
public sealed class ContactPinning(PipelineParts parts, Corrections corrections)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Pins a stage, or takes the pin away.</summary>
    /// <param name="people">The region of persons.</param>
    /// <param name="home">The home of any distinct id of the contact.</param>
    /// <param name="stage">A stage of the configuration; null takes the pin away.</param>
    /// <param name="by">Who wishes it.</param>
    /// <param name="cancellationToken">Ends the waiting, not what has begun.</param>
    /// <returns>The contact; null if there is none.</returns>
    public async Task<PersonSnapshot?> PinAsync(
        IActorRef people,
        PersonId home,
        string? stage,
        string by,
        CancellationToken cancellationToken)
    {
        var now = parts.Time.GetUtcNow();
        var answer = await people.Ask<object>(new PinContactStage(home, stage, by, now), Patience, cancellationToken);
        if (answer is not HistoryFound { Person.IsBorn: true } pinned)
        {
            return null;
        }

        if (pinned.Moved is null && pinned.Person.Contact?.Stage?.Operator is null)
        {
            return pinned.Person; // there was no pin to take away
        }

        while (!await TellAsync(people, home, pinned, now, cancellationToken))
        {
        }

        return pinned.Person;
    }

    /// <returns>False if the person has become more meanwhile, and must be asked again.</returns>
    private async Task<bool> TellAsync(
        IActorRef people,
        PersonId home,
        HistoryFound pinned,
        DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        var told = await people.Ask<AccountTold>(new TellAccount(home, [], now), Patience, cancellationToken);
        var answer = await people.Ask<object>(new GetHistory(home), Patience, cancellationToken);
        if (pinned.Person.Contact?.Stage is not { } place || answer is not HistoryFound { Person.IsBorn: true } found)
        {
            return true;
        }

        var at = place.At.UtcTicks.ToString(CultureInfo.InvariantCulture);
        var uuid = UuidV5.Create(pinned.Person.PersonUuid, $"pin:{place.Name}:{place.By}:{at}");
        // Repeated, it is the move that an earlier call has recorded; the history takes it once.
        var (person, moved) = (pinned.Person, pinned.Moved);
        moved ??= new ContactMove(person.Version, false, person.Contact.Account, true, place.Left, place);
        var change = new EventChange(true, []).Without(moved.Lost) with
        {
            Stage = place.From == place.Name ? null : new StageMove(place.From, place.Name, place.Rule),
        };
        var messages = corrections.Map(home.ConnectionId, found.Person with { Account = told.Card }, change, uuid, now);
        var rules = parts.Options.Connections[home.ConnectionId].ToContactRules();
        ImmutableArray<PersonNews> news = [PersonNews.Of(found.Person, moved, rules, lookedAt: null)];
        return await corrections.AppendAsync(found.Root, uuid, messages, news, now, found.Facts);
    }
}
