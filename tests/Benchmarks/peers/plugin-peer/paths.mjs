// Property paths as lodash's get and set read them: a.b, a[0].b, a['q.r'], an empty segment between two dots. Ours, because this
// peer has no packages; a path is split once, as lodash remembers it.

const splitPaths = new Map();
const pathsMax = 500;

export function get(object, path) {
  let at = object;
  for (const segment of segmentsOf(path, object)) {
    if (at === null || at === undefined) return undefined;
    at = at[segment];
  }

  return at;
}

export function set(object, path, value) {
  const segments = segmentsOf(path, object);
  let at = object;
  for (let i = 0; i < segments.length - 1; i++) {
    const there = at[segments[i]];
    const isObject = there !== null && (typeof there === "object" || typeof there === "function");
    if (!isObject) at[segments[i]] = isIndex(segments[i + 1]) ? [] : {};
    at = at[segments[i]];
  }

  at[segments[segments.length - 1]] = value;
}

function segmentsOf(path, object) {
  if (!/[.[\]]/.test(path) || (object !== null && object !== undefined && path in Object(object))) return [path];
  let segments = splitPaths.get(path);
  if (segments === undefined) {
    if (splitPaths.size === pathsMax) splitPaths.clear();
    splitPaths.set(path, (segments = split(path)));
  }

  return segments;
}

function split(path) {
  const segments = path.startsWith(".") ? [""] : [];
  for (let at = 0; at <= path.length; ) {
    const found = nameAt(path, at) ?? bracketsAt(path, at);
    if (found) {
      segments.push(found.segment);
      at = found.end;
    } else {
      if (isEmptySegmentAt(path, at)) segments.push("");
      at++;
    }
  }

  return segments;
}

function nameAt(path, at) {
  let end = at;
  while (end < path.length && path[end] !== "." && path[end] !== "[" && path[end] !== "]") end++;
  return end === at ? undefined : { segment: path.slice(at, end), end };
}

function bracketsAt(path, at) {
  if (path[at] !== "[") return undefined;
  const rest = path.slice(at + 1);
  const number = /^(-?\d+(?:\.\d+)?)\]/.exec(rest);
  if (number) return { segment: number[1], end: at + 1 + number[0].length };
  const quote = rest[0];
  if (quote !== '"' && quote !== "'") return undefined;
  for (let end = 1; end < rest.length; end++) {
    if (rest[end] === "\\") end++;
    else if (rest[end] === quote) {
      if (rest[end + 1] !== "]") return undefined;
      return { segment: rest.slice(1, end).replace(/\\(\\)?/g, "$1"), end: at + end + 3 };
    }
  }

  return undefined;
}

function isEmptySegmentAt(path, at) {
  const after = separatorAt(path, at);
  return after > 0 && (after === path.length || separatorAt(path, after) > 0);
}

function separatorAt(path, at) {
  if (path[at] === ".") return at + 1;
  return path[at] === "[" && path[at + 1] === "]" ? at + 2 : -1;
}

function isIndex(segment) {
  return /^(?:0|[1-9]\d*)$/.test(segment) && Number(segment) < Number.MAX_SAFE_INTEGER;
}
