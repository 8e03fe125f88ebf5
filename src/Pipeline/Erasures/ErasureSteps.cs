using System.Collections.Immutable;
using System.Globalization;
using Akka.Actor;
using VarianceActors.Pipeline.Accounts;
using VarianceActors.Pipeline.Delivery;
using VarianceActors.Pipeline.People;
using VarianceActors.Pipeline.Sources;
using VarianceActors.Pipeline.Views;

namespace VarianceActors.Pipeline.Erasures;

/// <summary>How an erasure goes on.</summary>
internal enum ErasureNext
{
    /// <summary>At once, with the next step.</summary>
    Step,

    /// <summary>A little later, with the same step.</summary>
    Wait,

    /// <summary>It is done.</summary>
    End,
}

/// <summary>Who is asked on behalf of erasures.</summary>
/// <param name="People">The region of persons.</param>
/// <param name="Accounts">The region of accounts.</param>
/// <param name="Delivery">The region of delivery slices.</param>
/// <param name="Nodes">How many nodes the cluster has now.</param>
internal sealed record ErasureRegions(IActorRef People, IActorRef Accounts, IActorRef Delivery, Func<int> Nodes);

/// <summary>
/// The steps of one erasure. Each reads from the database what is to be done, does it, and notes it there: whoever stops in
/// between goes on from there, and whatever was done twice was done once.
/// </summary>
/// <param name="parts">The pipeline.</param>
/// <param name="regions">Who is asked.</param>
/// <param name="people">The history of persons.</param>
/// <param name="journal">The rows of the journal.</param>
/// <param name="connectionId">The connection.</param>
/// <param name="number">The erasure.</param>
internal sealed class ErasureSteps(
    PipelineParts parts,
    ErasureRegions regions,
    PersonJournal people,
    JournalErasing journal,
    string connectionId,
    long number)
{
    /// <summary>Longer than it takes a node to learn which ids are erased.</summary>
    private static readonly TimeSpan NodesLearn = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private const int HeldMax = 1_000;
    private readonly int _connection = parts.Layout.NumberByConnection[connectionId];
    private readonly SortedSet<string> _held = new(StringComparer.Ordinal);
    private List<(int DeliveryPartition, long Next)>? _feedEnds;
    private (int Partition, long After)? _readNext; // where this node reads on in the outbox; null before it has begun
    private bool _isPlanned;
    private bool _isReadWhole;
    private bool _isRewritten;

    /// <summary>Ids under which Variance holds a contact, as far as they were met, once all messages were looked at; null if that
    /// is not yet so, if a part of them was looked at before this node took over, or if none was met. They are never
    /// stored.</summary>
    public IReadOnlyList<string>? Held { get; private set; }

    /// <summary>Does the next step.</summary>
    /// <exception cref="AskTimeoutException">Somebody did not answer: try again.</exception>
    public async Task<ErasureNext> StepAsync()
    {
        var (erasure, work) = await parts.Database
            .ReadAsync(session => (ErasureStatements.Find(session, number), ErasureStatements.Work(session, number)))
            .ConfigureAwait(false);
        return (erasure?.Phase, work) switch
        {
            (ErasurePhase.Draining, { } todo) => await DrainAsync(todo).ConfigureAwait(false),
            (ErasurePhase.Suppressing, { } todo) => await SuppressAsync(todo).ConfigureAwait(false),
            (ErasurePhase.Silencing, { } todo) => await SilenceAsync(todo).ConfigureAwait(false),
            (ErasurePhase.Outbox, { } todo) => await EraseOutboxAsync(todo).ConfigureAwait(false),
            (ErasurePhase.Letters, { } todo) => await EraseLettersAsync(todo).ConfigureAwait(false),
            (ErasurePhase.Warnings, { } todo) => await EraseWarningsAsync(todo).ConfigureAwait(false),
            (ErasurePhase.Ledger, { } todo) => await EraseInLedgerAsync(todo).ConfigureAwait(false),
            (ErasurePhase.Accounts, { } todo) => await EraseInAccountsAsync(todo).ConfigureAwait(false),
            (ErasurePhase.Journal, { } todo) => await EraseJournalAsync(todo).ConfigureAwait(false),
            (ErasurePhase.Views, { } todo) => await EraseViewsAsync(todo).ConfigureAwait(false),
            (ErasurePhase.Ending, _) => await EndAsync().ConfigureAwait(false),
            _ => ErasureNext.End,
        };
    }

    // Whatever was accepted before the wish counts: it may say that other ids are the person's too.
    private async Task<ErasureNext> DrainAsync(ErasureWork work)
    {
        if (work.Barrier.IsEmpty)
        {
            return await DrawBarrierAsync(ErasurePhase.Draining, work).ConfigureAwait(false);
        }

        if (!await IsDecidedAsync(work).ConfigureAwait(false))
        {
            return ErasureNext.Wait;
        }

        var found = await FindAsync(work.Ids[0]).ConfigureAwait(false);
        ImmutableArray<string> ids = [.. work.Ids.Union(found?.Person.DistinctIds ?? [])];
        return await BeginAgainAsync(work, ids).ConfigureAwait(false);
    }

    // What was accepted before the ids were suppressed must be decided before anything is erased; what comes later is read by
    // somebody who knows. Meanwhile the person may have got further ids, and then it begins anew.
    private async Task<ErasureNext> SuppressAsync(ErasureWork work)
    {
        await parts.Erased.RefreshAsync(parts.Database).ConfigureAwait(false);
        if (work.Barrier.IsEmpty)
        {
            return await DrawBarrierAsync(ErasurePhase.Suppressing, work).ConfigureAwait(false);
        }

        if (!await IsDecidedAsync(work).ConfigureAwait(false)
            || await parts.Database
                .ReadAsync(session => ErasureStatements.IsBusy(session, _connection, work.Ids)).ConfigureAwait(false))
        {
            return ErasureNext.Wait;
        }

        var found = await FindAsync(work.Ids[0]).ConfigureAwait(false);
        if (found is not null && found.Person.DistinctIds.Except(work.Ids).Any())
        {
            return await BeginAgainAsync(work, [.. work.Ids.Union(found.Person.DistinctIds)]).ConfigureAwait(false);
        }

        var plan = await PlanAsync(work, found).ConfigureAwait(false);

        // The lists know also those of the accounts that a history does not name any more which began anew.
        var listed = await parts.Database
            .ReadAsync(session => ViewErasure.AccountsOf(session, _connection, PersonsOf(plan))).ConfigureAwait(false);
        return await SealAsync(plan with { Accounts = [.. plan.Accounts.Union(listed)] }).ConfigureAwait(false);
    }

    private async Task<ErasureNext> DrawBarrierAsync(ErasurePhase phase, ErasureWork work)
    {
        var offsets = await parts.Database.ReadAsync(ErasureStatements.Offsets).ConfigureAwait(false);
        return await MoveAsync(phase, work with { Barrier = [.. offsets] }).ConfigureAwait(false);
    }

    private async Task<bool> IsDecidedAsync(ErasureWork work)
    {
        var decided = await parts.Database.ReadAsync(ErasureStatements.Decided).ConfigureAwait(false);
        return decided.Zip(work.Barrier, (next, barrier) => next >= barrier).All(isDecided => isDecided);
    }

    private async Task<ErasureNext> BeginAgainAsync(ErasureWork work, ImmutableArray<string> ids)
    {
        var now = parts.Time.GetUtcNow();
        await parts.Database.WriteAsync(session =>
        {
            ErasedIdStatements.Add(session, _connection, ids, ErasedLevel.Suppressed, now);
            ErasureStatements.Move(
                session,
                number,
                ErasurePhase.Suppressing,
                work with { Ids = ids, Barrier = [] },
                new ErasureCounts { Ids = ids.Length - work.Ids.Length },
                now);
            return true;
        }).ConfigureAwait(false);
        return ErasureNext.Step;
    }

    private async Task<HistoryFound?> FindAsync(string id) => await regions.People
        .Ask<object>(new GetHistory(new PersonId(connectionId, id)), Patience).ConfigureAwait(false) as HistoryFound;

    private async Task<ErasureWork> PlanAsync(ErasureWork work, HistoryFound? found)
    {
        work = work with { StandIn = Guid.NewGuid() };
        _isPlanned = true;
        if (found is null)
        {
            return work with { Homes = await UnsharedAsync(work.Ids).ConfigureAwait(false) };
        }

        if (found.Person is { IsIdentified: true, UserId: { } userId })
        {
            _held.Add(userId);
        }

        var ids = work.Ids.ToImmutableHashSet();
        var facts = await people.ReadFactsAsync(found, known: null, CancellationToken.None).ConfigureAwait(false);
        var shared = found.Homes.All(ids.Contains) ? [] : await SharedAsync(found, ids).ConfigureAwait(false);
        return work with
        {
            Homes = [.. work.Ids.Except(shared)],
            Routes = [.. work.Ids.Intersect(shared)],
            Shared = shared,
            Persons =
            [
                .. facts.OfType<PersonFact.EventApplied>().Select(fact => fact.Event)
                    .Concat(facts.OfType<PersonFact.MergeAsked>().Select(fact => fact.Merge.Event))
                    .Where(by => ids.Contains(by.DistinctId))
                    .Select(by => PersonUuid.Of(HomeOf(by.DistinctId), by.Project))
                    .Append(found.Person.PersonUuid)
                    .Where(person => person != Guid.Empty)
                    .Distinct(),
            ],
            Accounts = [.. facts.SelectMany(ErasureReading.AccountsIn).Concat(ErasureReading.AccountsOf(found.Person)).Distinct()],
            Neighbours =
            [
                .. facts.SelectMany(ErasureReading.IdsIn).Concat(found.Homes).Where(id => !ids.Contains(id)).Distinct(),
            ],
        };
    }

    // Of ids that nobody has, those that were not kept because others are found through them.
    private async Task<ImmutableArray<string>> UnsharedAsync(ImmutableArray<string> ids)
    {
        var homes = ImmutableArray.CreateBuilder<string>();
        foreach (var id in ids)
        {
            var facts = await people.ReadFactsOfAsync(HomeOf(id), CancellationToken.None).ConfigureAwait(false);
            if (!facts.OfType<PersonFact.Rewritten>().Any())
            {
                homes.Add(id);
            }
        }

        return homes.DrainToImmutable();
    }

    // The root, and every home of one person that ever took in a home of another one.
    private async Task<ImmutableArray<string>> SharedAsync(HistoryFound found, ImmutableHashSet<string> ids)
    {
        var shared = ImmutableArray.CreateBuilder<string>();
        foreach (var id in found.Homes)
        {
            var home = found.Root.Beside(id);
            var isShared = home == found.Root
                || (await people.ReadFactsOfAsync(home, CancellationToken.None).ConfigureAwait(false))
                    .Any(fact => fact is PersonFact.Rewritten { Rest.Parent: not null } // whom it took in is not known any more
                        || MembersIn(fact).Any(member => ids.Contains(member) != ids.Contains(id)));
            if (isShared)
            {
                shared.Add(id);
            }
        }

        return shared.DrainToImmutable();
    }

    private static IEnumerable<string> MembersIn(PersonFact fact) => fact switch
    {
        PersonFact.Absorbed absorbed => absorbed.Frozen.Members.Keys,
        PersonFact.Rewritten rewritten => rewritten.Rest.Root.Members.Keys,
        _ => [],
    };

    private async Task<ErasureNext> SealAsync(ErasureWork plan)
    {
        var now = parts.Time.GetUtcNow();
        await parts.Database.WriteAsync(session =>
        {
            ErasedIdStatements.Add(session, _connection, plan.Homes, ErasedLevel.Gone, now);
            ErasedIdStatements.Add(
                session, _connection, LanesOf(plan).Select(ErasedMessages.LaneName), ErasedLevel.Muted, now);
            ErasureStatements.Move(
                session,
                number,
                ErasurePhase.Silencing,
                plan with { GoneAt = now },
                new ErasureCounts { Routes = plan.Routes.Length },
                now);
            return true;
        }).ConfigureAwait(false);
        return ErasureNext.Step;
    }

    private async Task<ErasureNext> SilenceAsync(ErasureWork work)
    {
        await parts.Erased.RefreshAsync(parts.Database).ConfigureAwait(false);
        if (regions.Nodes() > 1 && parts.Time.GetUtcNow() - work.GoneAt < NodesLearn)
        {
            return ErasureNext.Wait;
        }

        await ForgetHomesAsync(work.Homes).ConfigureAwait(false);
        await Task.WhenAll(Enumerable.Range(0, parts.Layout.DeliveryPartitions).Select(partition =>
            regions.Delivery.Ask<SliceSettled>(
                new DeliveryMessage.Settle(new DeliveryId(connectionId, partition)), Patience))).ConfigureAwait(false);

        // Before the outbox: a letter that is replayed meanwhile is there by then.
        var erasing = ErasingOf(work);
        for (long? after = 0; after is { } from;)
        {
            var now = parts.Time.GetUtcNow();
            after = await parts.Database.WriteAsync(session =>
            {
                var (letters, next) = erasing.EraseLetters(session, from, now);
                ErasureStatements.Move(
                    session, number, ErasurePhase.Silencing, work, new ErasureCounts { Letters = letters }, now);
                return next;
            }).ConfigureAwait(false);
        }

        return await MoveAsync(ErasurePhase.Outbox, work with { Partition = 0, After = -1 }).ConfigureAwait(false);
    }

    private async Task<ErasureNext> EraseOutboxAsync(ErasureWork work)
    {
        // Another node may run the same erasure, or have begun it: then what it met is not known here.
        var (at, begin) = ((work.Partition, work.After), (0, -1L));
        _isReadWhole = _readNext is { } expected ? _isReadWhole && at == expected : _isPlanned && at == begin;
        var erasing = ErasingOf(work);
        var rows = await parts.Database
            .ReadAsync(session => erasing.Read(session, work.Partition, work.After)).ConfigureAwait(false);
        foreach (var contact in rows.Contacts.Where(_ => _held.Count < HeldMax))
        {
            _held.Add(contact);
        }

        _isReadWhole &= !rows.WereErased;
        var isLast = rows.Next is null && work.Partition + 1 == parts.Layout.DeliveryPartitions;
        var next = isLast
            ? work with { Partition = 0, After = 0 }
            : rows.Next is { } after
                ? work with { After = after }
                : work with { Partition = work.Partition + 1, After = -1 };
        var now = parts.Time.GetUtcNow();
        await parts.Database.WriteAsync(session =>
        {
            erasing.Write(session, work.Partition, rows);
            var counts = new ErasureCounts { Messages = rows.Erased.Length, Unsent = rows.Unsent };
            var phase = isLast ? ErasurePhase.Letters : ErasurePhase.Outbox;
            ErasureStatements.Move(session, number, phase, next, counts, now);
            return true;
        }).ConfigureAwait(false);
        _readNext = (next.Partition, next.After);
        Held = isLast && _isReadWhole && _held.Count > 0 ? [.. _held] : null;
        return ErasureNext.Step;
    }

    private async Task<ErasureNext> EraseLettersAsync(ErasureWork work)
    {
        var (erasing, now) = (ErasingOf(work), parts.Time.GetUtcNow());
        await parts.Database.WriteAsync(session =>
        {
            var (letters, next) = erasing.EraseLetters(session, work.After, now);
            ErasureStatements.Move(
                session,
                number,
                next is null ? ErasurePhase.Warnings : ErasurePhase.Letters,
                work with { After = next ?? 0 },
                new ErasureCounts { Letters = letters },
                now);
            return true;
        }).ConfigureAwait(false);
        return ErasureNext.Step;
    }

    private async Task<ErasureNext> EraseWarningsAsync(ErasureWork work)
    {
        var (erasing, now) = (ErasingOf(work), parts.Time.GetUtcNow());
        await parts.Database.WriteAsync(session =>
        {
            var (warnings, next) = erasing.EraseWarnings(session, work.After);
            if (next is null)
            {
                ErasureStatements.DeleteTraces(session, _connection, work.Ids, LanesOf(work));
            }

            ErasureStatements.Move(
                session,
                number,
                next is null ? ErasurePhase.Ledger : ErasurePhase.Warnings,
                work with { After = next ?? 0 },
                new ErasureCounts { Warnings = warnings },
                now);
            return true;
        }).ConfigureAwait(false);
        return ErasureNext.Step;
    }

    // Whatever names the person is there: since its ids are suppressed, rows of further events name nobody.
    private async Task<ErasureNext> EraseInLedgerAsync(ErasureWork work)
    {
        var erasing = ErasingOf(work);
        var (rows, next) = await parts.Database
            .ReadAsync(session => erasing.ReadLedger(session, work.After)).ConfigureAwait(false);
        var now = parts.Time.GetUtcNow();
        await parts.Database.WriteAsync(session =>
        {
            OutboxErasing.ForgetNames(session, rows);
            ErasureStatements.Move(
                session,
                number,
                next is null ? ErasurePhase.Accounts : ErasurePhase.Ledger,
                work with { After = next ?? 0 },
                default,
                now);
            return true;
        }).ConfigureAwait(false);
        return ErasureNext.Step;
    }

    private async Task<ErasureNext> EraseInAccountsAsync(ErasureWork work)
    {
        var (standIns, now, rows) = (StandIns(work), parts.Time.GetUtcNow(), 0);
        foreach (var account in work.Accounts.Select(key => new AccountId(connectionId, key)))
        {
            await regions.Accounts
                .Ask<AccountChanged>(new ForgetMembers(account, PersonsOf(work), now), Patience).ConfigureAwait(false);
            rows += await journal.ReplaceAsync([account.PersistenceId], standIns).ConfigureAwait(false);
            await regions.Accounts.Ask<AccountForgotten>(new ForgetAccount(account), Patience).ConfigureAwait(false);
            await journal.ReplaceAsync([account.PersistenceId], standIns).ConfigureAwait(false);
        }

        return await MoveAsync(
            ErasurePhase.Journal, work, new ErasureCounts { Accounts = work.Accounts.Length, Facts = rows })
            .ConfigureAwait(false);
    }

    private async Task<ErasureNext> EraseJournalAsync(ErasureWork work)
    {
        var rows = 0;
        foreach (var shared in work.Shared.Select(HomeOf))
        {
            var rewritten = await regions.People
                .Ask<HomeRewritten>(new RewriteHome(shared, work.Ids), Patience).ConfigureAwait(false);
            if (rewritten.Facts == 0)
            {
                return ErasureNext.Wait;
            }

            rows += await journal.DeleteAsync([shared.PersistenceId], below: rewritten.Facts).ConfigureAwait(false);
        }

        foreach (var home in work.Homes.Select(HomeOf))
        {
            rows += await journal.DeleteAsync([home.PersistenceId], below: null).ConfigureAwait(false);
        }

        // A home that was read before its rows went still has them in memory.
        await ForgetHomesAsync(work.Homes).ConfigureAwait(false);
        foreach (var home in work.Homes.Select(HomeOf))
        {
            rows += await journal.DeleteAsync([home.PersistenceId], below: null).ConfigureAwait(false);
        }

        rows += await EraseInNeighboursAsync(work).ConfigureAwait(false);
        return await MoveAsync(
            ErasurePhase.Views, work with { Partition = 0, After = 0 }, new ErasureCounts { Facts = rows })
            .ConfigureAwait(false);
    }

    // They never became one with the person, but the question stands in their history.
    private async Task<int> EraseInNeighboursAsync(ErasureWork work)
    {
        var (rows, standIns) = (0, StandIns(work));
        foreach (var id in work.Neighbours)
        {
            var found = await FindAsync(id).ConfigureAwait(false);
            ImmutableArray<PersonId> homes = [.. (found?.Homes ?? []).Append(id).Distinct().Except(work.Ids).Select(HomeOf)];
            var all = homes.Select(home => home.PersistenceId).ToList();
            rows += await journal.ReplaceAsync(all, standIns).ConfigureAwait(false);
            await ForgetHomesAsync(homes.Select(home => home.DistinctId)).ConfigureAwait(false);
            rows += await journal.ReplaceAsync(all, standIns).ConfigureAwait(false);
        }

        return rows;
    }

    // What the feed says of somebody who was one with the person must be in the tables: until then the ids of both are the
    // person's there. What is folded from it later, before its pages are done, goes with the tables.
    private async Task<ErasureNext> EraseViewsAsync(ErasureWork work)
    {
        if (work is { Partition: 0, After: 0 } && !await AreViewsUpToDateAsync().ConfigureAwait(false))
        {
            return ErasureNext.Wait;
        }

        var (persons, now) = (PersonsOf(work), parts.Time.GetUtcNow());
        await parts.Database.WriteAsync(session =>
        {
            var next = ViewErasure.EraseFeed(session, _connection, work.Partition, work.After, persons, work.Ids);
            var isLast = next is null && work.Partition + 1 == parts.Layout.DeliveryPartitions;
            if (isLast)
            {
                ViewErasure.EraseTables(session, _connection, persons, work.Ids, now);
            }

            ErasureStatements.Move(
                session,
                number,
                isLast ? ErasurePhase.Ending : ErasurePhase.Views,
                isLast
                    ? null
                    : next is { } from
                        ? work with { After = from }
                        : work with { Partition = work.Partition + 1, After = 0 },
                default,
                now);
            return true;
        }).ConfigureAwait(false);
        _feedEnds = null; // whoever asks next asks about what came meanwhile too
        return ErasureNext.Step;
    }

    // What was deleted leaves the files, and then the logs: only now is it known that they held nothing but what may be read.
    private async Task<ErasureNext> EndAsync()
    {
        if (!await AreViewsUpToDateAsync().ConfigureAwait(false))
        {
            return ErasureNext.Wait;
        }

        if (!_isRewritten)
        {
            await parts.Database.RewriteAsync().ConfigureAwait(false);
            await journal.RewriteAsync().ConfigureAwait(false);
            _isRewritten = true;
        }

        if (!await parts.Database.TruncateLogAsync().ConfigureAwait(false)
            || !await journal.TruncateLogAsync().ConfigureAwait(false))
        {
            return ErasureNext.Wait;
        }

        var now = parts.Time.GetUtcNow();
        await parts.Database.WriteAsync(session =>
        {
            ErasureStatements.Finish(session, number, now);
            return true;
        }).ConfigureAwait(false);
        return ErasureNext.End;
    }

    // Somebody who was one with the person may still be listed with what both had, until the views know that they are two.
    private async Task<bool> AreViewsUpToDateAsync() => !parts.Options.Views.Enabled
        || await parts.Database.ReadAsync(session =>
        {
            _feedEnds ??= FeedStatements.Ends(session, _connection);
            return FeedStatements.IsFolded(session, _connection, _feedEnds);
        }).ConfigureAwait(false);

    private async Task<ErasureNext> MoveAsync(ErasurePhase phase, ErasureWork? work, ErasureCounts counts = default)
    {
        var now = parts.Time.GetUtcNow();
        await parts.Database.WriteAsync(session =>
        {
            ErasureStatements.Move(session, number, phase, work, counts, now);
            return true;
        }).ConfigureAwait(false);
        return ErasureNext.Step;
    }

    private Task<HomeForgotten[]> ForgetHomesAsync(IEnumerable<string> ids) => Task.WhenAll(ids.Select(id =>
        regions.People.Ask<HomeForgotten>(new ForgetHome(HomeOf(id)), Patience)));

    private OutboxErasing ErasingOf(ErasureWork work) =>
        new(_connection, work.Ids, LanesOf(work).ToHashSet(), LanesOf(work.Shared).ToHashSet());

    // The ids of homes that stay are how the others are found: they stay wherever they are. Of the person's uuid nothing stays:
    // whoever has the distinct id can work it out.
    private Dictionary<string, string> StandIns(ErasureWork work)
    {
        var standIns = work.Ids
            .Except(work.Routes)
            .Select((id, place) => (Id: id, Place: place.ToString(CultureInfo.InvariantCulture)))
            .ToDictionary(one => one.Id, one => $"erased-{work.StandIn:N}-{one.Place}");
        foreach (var person in PersonsOf(work))
        {
            standIns[person.ToString()] = UuidV5.Create(work.StandIn, $"person {person}").ToString();
        }

        return standIns;
    }

    private IEnumerable<ulong> LanesOf(ErasureWork work) => LanesOf(work.Homes);

    private IEnumerable<ulong> LanesOf(IEnumerable<string> ids) => ids.Select(id => HomeOf(id).Priority.Lane);

    // Also those that its ids would have been born with: the history may be gone already, and accounts and lists not.
    private ImmutableArray<Guid> PersonsOf(ErasureWork work)
    {
        var project = parts.Options.Connections[connectionId].ToRules(updateAllProperties: false).Project;
        return
        [
            .. work.Ids.SelectMany(id => (Guid[])[PersonUuid.Of(HomeOf(id)), PersonUuid.Of(HomeOf(id), project)])
                .Concat(work.Persons)
                .Distinct(),
        ];
    }

    private PersonId HomeOf(string id) => new(connectionId, id);
}
