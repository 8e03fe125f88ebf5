namespace VarianceActors.Pipeline.People;

/// <summary>A property's value: one JSON value as compact UTF-16 text, such as <c>"pro"</c>, <c>3</c> or <c>{"a":1}</c>.</summary>
/// <param name="Json">Valid JSON text without insignificant white space.</param>
public readonly record struct JsonValue(string Json);
