// Reads lines of JSON { secret, headers, body (base64) } and verifies each with standardwebhooks;
// writes one line of JSON each: { ok, error }. A negative case carries "wrong": true.
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, headers, body } = JSON.parse(line);
  const text = Buffer.from(body, "base64").toString("utf8");
  try {
    new Webhook(secret).verify(text, headers);
    console.log(JSON.stringify({ ok: true }));
  } catch (error) {
    console.log(JSON.stringify({ ok: false, error: String(error.message) }));
  }
}
