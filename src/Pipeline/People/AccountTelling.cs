using System.Collections.Immutable;
using System.Globalization;
using Akka.Actor;
using VarianceActors.Pipeline.Accounts;

namespace VarianceActors.Pipeline.People;

/// <summary>Answers of a person that wait until accounts have taken its news. Answers leave in the order in which they
/// were given, so that nothing overtakes the alias of a merge. Nothing of it is durable: an answer that does not come
/// is asked for again, and the news are told again.</summary>
internal sealed class AccountTelling(Func<IActorRef?> accounts)
{
    private const int WaitingMax = 1_000;
    private const int CardsMax = 64;
    private static readonly TimeSpan CardAgeMax = TimeSpan.FromMinutes(1);
    private readonly Dictionary<string, Untold> _byKey = [];
    private readonly Queue<Untold> _inOrder = [];
    private readonly Dictionary<string, (AccountCard Card, DateTimeOffset At)> _cards = [];
    private long _number;
    private DateTimeOffset _newest;

    /// <summary>Whether it is known how an account calls itself. It may be renamed, and nobody tells its contacts: after a minute
    /// it is asked again.</summary>
    /// <param name="key">The account.</param>
    /// <param name="now">When the event was received that asks.</param>
    public bool HasCard(string key, DateTimeOffset now)
    {
        _newest = now > _newest ? now : _newest;
        return key.Length == 0 || (_cards.TryGetValue(key, out var held) && _newest - held.At < CardAgeMax);
    }

    /// <summary>How an account calls itself, as far as that is known; null if it is not.</summary>
    public AccountCard? CardOf(string? key) => key is null ? null : _cards.GetValueOrDefault(key).Card;

    /// <summary>Tells the news and answers after that; at once if there are none and no other answer waits.</summary>
    /// <param name="key">What is answered: a later answer of the same key replaces one that waits.</param>
    /// <param name="news">The news.</param>
    /// <param name="self">Who hears of it.</param>
    /// <param name="answer">Gives the answer.</param>
    public void Tell(string key, ImmutableArray<ObserveAccount> news, IActorRef self, Action answer)
    {
        var region = news.IsEmpty ? null : accounts();
        if (region is null && _inOrder.Count == 0)
        {
            answer();
            return;
        }

        if (!_byKey.TryGetValue(key, out var untold))
        {
            if (_inOrder.Count >= WaitingMax)
            {
                return; // whoever asked asks again
            }

            _byKey[key] = untold = new Untold(key);
            _inOrder.Enqueue(untold);
        }

        untold.Answer = answer;
        untold.Token = string.Create(CultureInfo.InvariantCulture, $"{++_number}:{key}");
        untold.Awaited = region is null ? [] : [.. news.Select(one => one.To.Key)];
        foreach (var one in region is null ? [] : news)
        {
            region!.Tell(one with { Token = untold.Token }, self);
        }

        AnswerInOrder();
    }

    /// <summary>An account has taken its news.</summary>
    public void Heard(AccountObserved observed)
    {
        if (_cards.Count >= CardsMax)
        {
            _cards.Clear();
        }

        _cards[observed.Key] = (observed.Card, _newest);
        var key = observed.Token[(observed.Token.IndexOf(':', StringComparison.Ordinal) + 1)..];
        if (_byKey.TryGetValue(key, out var untold) && untold.Token == observed.Token)
        {
            untold.Awaited.Remove(observed.Key);
        }

        AnswerInOrder();
    }

    private void AnswerInOrder()
    {
        while (_inOrder.TryPeek(out var first) && first.Awaited.Count == 0)
        {
            _inOrder.Dequeue();
            _byKey.Remove(first.Key);
            first.Answer();
        }
    }

    private sealed class Untold(string key)
    {
        public string Key => key;

        public string Token { get; set; } = "";

        public HashSet<string> Awaited { get; set; } = [];

        public Action Answer { get; set; } = () => { };
    }
}
