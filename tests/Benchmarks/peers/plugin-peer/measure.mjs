// How many events of the recorded cases one core parses, maps and prints in a second.

import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { map } from "./mapping.mjs";

export function measure(files, seconds) {
  const cases = files.flatMap((file) => readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line)));
  cases.forEach(verify);
  const bodies = cases.map((recorded) => JSON.stringify({ event: recorded.event }));
  run(bodies, seconds);
  console.log(JSON.stringify({ cases: cases.length, eventsPerSecond: run(bodies, seconds) }));
}

function run(bodies, seconds) {
  const began = performance.now();
  let events = 0;
  let elapsed = 0;
  while (elapsed < seconds * 1000) {
    for (const body of bodies) print(body);
    events += bodies.length;
    elapsed = performance.now() - began;
  }

  return (events / elapsed) * 1000;
}

function print(body) {
  try {
    const mapped = map(JSON.parse(body).event);
    return mapped === null ? null : JSON.stringify(mapped);
  } catch (failure) {
    if (failure instanceof TypeError) return null;
    throw failure;
  }
}

function verify(recorded, number) {
  const body = print(JSON.stringify({ event: recorded.event }));
  const [expected, actual] = [recorded.sent, body === null ? null : JSON.parse(body)].map(withoutLibrary);
  if (!isDeepStrictEqual(expected, actual)) {
    throw new Error(`case ${number + 1}: ${JSON.stringify(expected)} expected, but was ${JSON.stringify(actual)}`);
  }
}

function withoutLibrary(body) {
  if (body !== null) delete body.libary;
  return body;
}
