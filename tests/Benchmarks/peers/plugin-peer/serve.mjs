// Takes /batch bodies and single events, answers at once, and posts one message per event: 64 in flight, keep-alive, nothing on
// disk, no retry. What waits is bounded only so that the process does not grow without end: an answer waits for room.

import { createServer } from "node:http";
import { map } from "./mapping.mjs";

const inFlightMax = 64;
const waitingMax = 50_000;

export function serve(port, url) {
  const waiting = [];
  const wishes = [];
  let [head, inFlight] = [0, 0];

  function next() {
    while (inFlight < inFlightMax && head < waiting.length) {
      inFlight++;
      post(waiting[head++]);
    }

    if (head > waitingMax / 2) {
      waiting.splice(0, head);
      head = 0;
    }

    while (wishes.length > 0 && waiting.length - head < waitingMax) wishes.shift()();
  }

  async function post(event) {
    try {
      const body = map(event);
      if (body !== null) {
        const answer = await fetch(url, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        });
        await answer.arrayBuffer();
        if (!answer.ok) console.error(`answered ${answer.status}`);
      }
    } catch (failure) {
      console.error(failure.message);
    }

    inFlight--;
    next();
  }

  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = JSON.parse(Buffer.concat(chunks).toString());
    if (waiting.length - head >= waitingMax) await new Promise((resolve) => wishes.push(resolve));
    waiting.push(...(body.batch ?? [body]));
    response.setHeader("content-type", "application/json");
    response.end('{"status":1}');
    next();
  });
  server.listen(port, "127.0.0.1", () => console.log("ready"));
}
