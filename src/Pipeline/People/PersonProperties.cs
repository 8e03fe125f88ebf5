using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;

using Properties = System.Collections.Immutable.ImmutableDictionary<
    string,
    VarianceActors.Pipeline.People.JsonValue>;

namespace VarianceActors.Pipeline.People;

/// <summary>How an update meets the properties that a person has (posthog.md A6): one pass against a
/// snapshot.</summary>
public static class PersonProperties
{
    /// <summary>PostHog's limit for a person's stored properties, in bytes of JSON.</summary>
    public const long BytesMax = 655_360;

    /// <summary>The name that PostHog gives every person at birth.</summary>
    public const string CreatorEventUuid = "$creator_event_uuid";

    private static readonly FrozenSet<string> Filtered = new[]
    {
        "$current_url", "$pathname", "$referring_domain", "$referrer", "$screen_height", "$screen_width",
        "$viewport_height", "$viewport_width", "$browser", "$browser_version", "$device_type", "$raw_user_agent", "$os",
        "$os_name", "$os_version",
    }.ToFrozenSet();

    /// <summary>The properties that a person is born with; <c>$unset</c> does not count yet.</summary>
    public static ImmutableArray<int> Birth(PropertyUpdate update) =>
        [.. Enumerable.Range(0, update.Set.Length + update.SetOnce.Length)];

    /// <summary>Positions in the update that change something, or none if PostHog's rules suppress the write.</summary>
    /// <param name="held">The snapshot.</param>
    /// <param name="update">The event's update.</param>
    /// <param name="everyChange">True for person events, which write whatever changed; false for others, which do not
    /// write if all that changed is the value of existing filtered properties.</param>
    public static ImmutableArray<int> Winners(Properties held, PropertyUpdate update, bool everyChange)
    {
        var winners = ImmutableArray.CreateBuilder<int>();
        var writes = everyChange;
        var position = 0;
        foreach (var property in update.Set)
        {
            if (!held.TryGetValue(property.Name, out var before))
            {
                writes = true;
                winners.Add(position);
            }
            else if (!StrictlyEqual(before, property.Value))
            {
                writes |= !IsFiltered(property.Name);
                if (before != property.Value)
                {
                    winners.Add(position);
                }
            }

            position++;
        }

        foreach (var property in update.SetOnce)
        {
            if (!held.ContainsKey(property.Name))
            {
                writes = true;
                winners.Add(position);
            }

            position++;
        }

        Unset(held, update, winners, ref writes);
        return writes ? winners.DrainToImmutable() : [];
    }

    /// <summary>The update's winners laid over properties.</summary>
    public static Properties Apply(Properties held, PropertyUpdate update, ImmutableArray<int> winners)
    {
        if (winners.IsEmpty)
        {
            return held;
        }

        var after = held.ToBuilder();
        foreach (var position in winners)
        {
            if (position < update.Set.Length)
            {
                after[update.Set[position].Name] = update.Set[position].Value;
            }
            else if (position < update.Set.Length + update.SetOnce.Length)
            {
                var property = update.SetOnce[position - update.Set.Length];
                after[property.Name] = property.Value;
            }
            else
            {
                after.Remove(update.NameAt(position));
            }
        }

        return after.ToImmutable();
    }

    /// <summary>Source's properties overlaid by target's, which win every conflict, even with a null (posthog.md
    /// A3).</summary>
    public static Properties Merge(Properties source, Properties target) =>
        source.IsEmpty ? target : source.SetItems(target);

    /// <summary>Positions that turn <paramref name="merged"/> into what PostHog's two passes after a merge leave: first
    /// <c>$set_once</c>, <c>$set</c> and <c>$unset</c> on top, then the ordinary pass, in which a property that the
    /// first
    /// pass removed is absent and lands again.</summary>
    public static ImmutableArray<int> WinnersAfterMerge(Properties merged, PropertyUpdate update)
    {
        var first = merged;
        foreach (var property in update.SetOnce)
        {
            first = first.ContainsKey(property.Name) ? first : first.SetItem(property.Name, property.Value);
        }

        first = first.SetItems(update.Set.Select(property => KeyValuePair.Create(property.Name, property.Value)));
        first = first.RemoveRange(update.Unset);
        var second = Apply(first, update, Winners(first, update, everyChange: true));
        return Difference(merged, second, update);
    }

    /// <summary>True if the update makes the properties larger than may be stored, and larger than they were.</summary>
    public static bool IsTooLarge(Properties? held, PropertyUpdate update, ImmutableArray<int> winners)
    {
        if (winners.IsEmpty)
        {
            return false;
        }

        var before = held ?? Properties.Empty;
        var after = Bytes(Apply(before, update, winners));
        return after > BytesMax && after > Bytes(before);
    }

    /// <summary>True if two persons would become one with more properties than may be stored, and more than either
    /// had.</summary>
    public static bool IsTooLarge(Properties? source, Properties? target, PropertyUpdate update)
    {
        if (source is null || target is null)
        {
            return false;
        }

        var (one, other) = (Bytes(source), Bytes(target));
        if (one + other + Bytes(update.Set) + Bytes(update.SetOnce) <= BytesMax)
        {
            return false;
        }

        var merged = Merge(source, target);
        var after = Bytes(Apply(merged, update, WinnersAfterMerge(merged, update)));
        return after > BytesMax && after > Math.Max(one, other);
    }

    /// <summary>True if any winner is a name that contacts show: one that does not begin with <c>$</c>.</summary>
    public static bool ShowsOnContact(PropertyUpdate update, ImmutableArray<int> winners) =>
        winners.Any(position => !update.NameAt(position).StartsWith('$'));

    /// <summary>The names among the winners that a contact shows and has no more; default if there are none.</summary>
    public static ImmutableArray<string> RemovedFromContact(PropertyUpdate update, ImmutableArray<int> winners)
    {
        var removed = winners
            .Where(position => position >= update.Set.Length + update.SetOnce.Length)
            .Select(update.NameAt)
            .Where(name => !name.StartsWith('$'))
            .ToImmutableArray();
        return removed.IsEmpty ? default : removed;
    }

    private static void Unset(
        Properties held,
        PropertyUpdate update,
        ImmutableArray<int>.Builder winners,
        ref bool writes)
    {
        var position = update.Set.Length + update.SetOnce.Length;
        HashSet<string>? removed = null;
        foreach (var name in update.Unset)
        {
            if (held.ContainsKey(name))
            {
                writes = true;
                winners.Add(position);
                (removed ??= []).Add(name);
            }

            position++;
        }

        // A name that was there before and is both set and unset ends removed.
        if (removed is not null)
        {
            winners.RemoveAll(at => at < update.Set.Length && removed.Contains(update.Set[at].Name));
        }
    }

    private static ImmutableArray<int> Difference(Properties before, Properties after, PropertyUpdate update)
    {
        var winners = ImmutableArray.CreateBuilder<int>();
        var taken = update.Set.Length + update.SetOnce.Length;
        for (var position = 0; position < taken + update.Unset.Length; position++)
        {
            var name = update.NameAt(position);
            var kept = after.TryGetValue(name, out var now);
            var differs = before.TryGetValue(name, out var was) ? !kept || was != now : kept;
            if (differs && kept == position < taken)
            {
                winners.Add(position);
            }
        }

        return winners.DrainToImmutable();
    }

    /// <summary>True for names whose change alone is not written.</summary>
    internal static bool IsFiltered(string name) => Filtered.Contains(name)
        || (name.StartsWith("$geoip_", StringComparison.Ordinal)
            && name is not ("$geoip_country_name" or "$geoip_city_name"));

    // JavaScript's ===: two objects are never the same one, numbers compare by value.
    private static bool StrictlyEqual(JsonValue left, JsonValue right) => left.Json[0] is not ('{' or '[')
        && (left == right || (IsNumber(left, out var first) && IsNumber(right, out var second) && first == second));

    private static bool IsNumber(JsonValue value, out double number)
    {
        number = 0;
        return value.Json[0] is '-' or (>= '0' and <= '9')
            && double.TryParse(value.Json, NumberStyles.Float, CultureInfo.InvariantCulture, out number);
    }

    private static long Bytes(Properties properties)
    {
        var bytes = 2L;
        foreach (var (name, value) in properties)
        {
            bytes += Bytes(name, value);
        }

        return bytes;
    }

    private static long Bytes(ImmutableArray<NamedValue> said)
    {
        var bytes = 0L;
        foreach (var (name, value) in said)
        {
            bytes += Bytes(name, value);
        }

        return bytes;
    }

    // Quotes, a colon and a comma come to four bytes a property.
    private static long Bytes(string name, JsonValue value) =>
        Encoding.UTF8.GetByteCount(name) + Encoding.UTF8.GetByteCount(value.Json) + 4;
}
