// The original plugin's mapping as its recorded cases show it (tests/Conformance/plugin): tables of paths, read with get and
// written with set.

import { get, set } from "./paths.mjs";

const calls = { $create_alias: "alias", $groupidentify: "group", $identify: "identify", $pageview: "page" };

const ofEvery = [
  ["uuid", "messageId"],
  ["timestamp", "timestamp"],
  [["properties.$anon_distinct_id", "properties.$device_id", "properties.distinct_id"], "anonymousId"],
  ["properties.posthog_version", "context.app.version"],
  ["ip", "context.ip"],
  ["properties.$os", "context.os.name"],
  ["properties.$host", "context.page.host"],
  ["properties.$pathname", "context.page.path"],
  ["properties.$referrer", "context.page.referrer"],
  ["properties.$current_url", "context.page.url"],
  ["properties.$screen_height", "context.screen.height"],
  ["properties.$screen_width", "context.screen.width"],
  ["sent_at", "sentAt"],
  [["$user_id", "distinct_id"], "userId"],
];

const ofCall = {
  alias: [["properties.distinct_id", "previousId"], ["properties.alias", "userId"]],
  group: [["properties.$group_key", "groupId"], ["properties.$group_type", "traits.posthog_group_type"]],
  identify: [],
  page: [
    ["properties.category", "category"],
    ["properties.name", "name"],
    ["properties.$host", "properties.host"],
    ["properties.$pathname", "properties.path"],
    ["properties.$referrer", "properties.referrer"],
    ["properties.$current_url", "properties.url"],
  ],
  track: [["event", "event"]],
};

const named = {
  identify: ["traits", (event) => event.properties?.$set],
  group: ["traits", (event) => event.properties?.$groups],
  track: ["properties", (event) => event.properties],
};

/** The body of an event's message; null for none. Throws where a URL is none: the original lost that event. */
export function map(event) {
  if (!event.uuid || !event.timestamp) return null;
  const type = calls[event.event] ?? (event.event?.startsWith("$") === false ? "track" : undefined);
  if (type === undefined) return null;
  const body = { libary: { name: "plugin-peer", version: "1.0.0" } };
  copy(event, ofEvery, body);
  const url = event.properties?.$current_url;
  const search = typeof url === "string" ? new URL(url).search : undefined;
  if (search !== undefined) set(body, "context.page.search", search);
  body.type = type;
  copy(event, ofCall[type], body);
  if (type === "page" && search) set(body, "properties.search", search);
  const [root, read] = named[type] ?? [];
  if (root !== undefined) copyNamed(read(event), root, body);
  return body;
}

function copy(event, table, body) {
  for (const [from, to] of table) {
    const value = Array.isArray(from) ? firstTruthy(event, from) : get(event, from);
    if (value !== undefined && value !== null) set(body, to, value);
  }
}

function firstTruthy(event, paths) {
  let value;
  for (const path of paths) {
    value = get(event, path);
    if (value) break;
  }

  return value;
}

function copyNamed(values, root, body) {
  if (values === null || typeof values !== "object") return;
  for (const name of Object.keys(values)) {
    const value = values[name];
    if (!name.startsWith("$") && value !== undefined && value !== null) set(body, `${root}.${name}`, value);
  }
}
