using System.Collections.Immutable;
using System.Globalization;
using Akka.Actor;
using VarianceActors.Pipeline.Accounts;

namespace VarianceActors.Pipeline.People;

/// <summary>Answers of a person that wait until accounts have taken its news. Nothing of it is durable: an answer that does
/// not come is asked for again, and the news are told again.</summary>
internal sealed class AccountTelling(Func<IActorRef?> accounts)
{
    private const int WaitingMax = 1_000;
    private const int CardsMax = 64;
    private readonly Dictionary<string, Untold> _waiting = [];
    private readonly Dictionary<string, AccountCard> _cards = [];
    private long _number;

    /// <summary>Whether it is known how an account calls itself.</summary>
    public bool HasCard(string key) => key.Length == 0 || _cards.ContainsKey(key);

    /// <summary>How an account calls itself; null if that is not known.</summary>
    public AccountCard? CardOf(string? key) => key is null ? null : _cards.GetValueOrDefault(key);

    /// <summary>Tells the news and answers after that; at once if there are none.</summary>
    /// <param name="key">What is answered: a later answer of the same key replaces one that waits.</param>
    /// <param name="news">The news.</param>
    /// <param name="self">Who hears of it.</param>
    /// <param name="answer">Gives the answer.</param>
    public void Tell(string key, ImmutableArray<ObserveAccount> news, IActorRef self, Action answer)
    {
        var region = news.IsEmpty ? null : accounts();
        if (region is null)
        {
            answer();
            return;
        }

        if (_waiting.Count >= WaitingMax && !_waiting.ContainsKey(key))
        {
            return; // whoever asked asks again
        }

        var token = string.Create(CultureInfo.InvariantCulture, $"{++_number}:{key}");
        _waiting[key] = new Untold(token, [.. news.Select(one => one.To.Key)], answer);
        foreach (var one in news)
        {
            region.Tell(one with { Token = token }, self);
        }
    }

    /// <summary>An account has taken its news.</summary>
    public void Heard(AccountObserved observed)
    {
        if (_cards.Count >= CardsMax)
        {
            _cards.Clear();
        }

        _cards[observed.Key] = observed.Card;
        var key = observed.Token[(observed.Token.IndexOf(':', StringComparison.Ordinal) + 1)..];
        if (_waiting.TryGetValue(key, out var untold)
            && untold.Token == observed.Token
            && untold.Awaited.Remove(observed.Key)
            && untold.Awaited.Count == 0)
        {
            _waiting.Remove(key);
            untold.Answer();
        }
    }

    private sealed record Untold(string Token, HashSet<string> Awaited, Action Answer);
}
