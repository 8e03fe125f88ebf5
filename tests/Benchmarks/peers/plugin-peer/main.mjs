// What the original plugin does, for comparison: `serve <port> <url>`, or `measure <seconds> <file>...`.

import { measure } from "./measure.mjs";
import { serve } from "./serve.mjs";

const [command, ...rest] = process.argv.slice(2);
if (command === "serve") {
  process.stdin.resume().on("end", () => process.exit());
  serve(Number(rest[0]), rest[1]);
} else {
  measure(rest.slice(1), Number(rest[0]));
}
