/*
 * openai_bot - a bot as its makers' guide has it: `TwilioRealtimeTransportLayer` of
 * @openai/agents-extensions behind a `ws` server, unchanged, talking to a Realtime server of ours in
 * place of the hosted one. The upgrade's signature is looked at by `twilio`. Writes its address and,
 * at the end, what was seen, as JSON lines.
 */
import http from 'node:http';
import { createRequire } from 'node:module';
import { RealtimeAgent, RealtimeSession } from '@openai/agents/realtime';
import { TwilioRealtimeTransportLayer } from '@openai/agents-extensions';
import { WebSocketServer } from 'ws';

const twilio = createRequire(import.meta.url)('twilio');
const SPEECH_MS = 20000, DELTA_MS = 400, INTERRUPT_AT_MS = 1500;
const seen = { signed: [], appended: 0, truncated: [], errors: [], twilio: [], messages: 0 };
const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

/* ---- the model's place: speaks far faster than it is heard, and is interrupted ---- */

const speech = (ms, seed) => Buffer.alloc(ms * 8, 0).map((_, i) => (i * (seed * 4 + 3)) % 100 + 1);

function serveModel(socket) {
  const send = (event) => socket.send(JSON.stringify({ event_id: `e${seen.messages++}`, ...event }));
  let responses = 0;
  const respond = (ms) => {
    const id = `resp_${++responses}`, item = `item_${responses}`;
    send({ type: 'response.created', response: { id, object: 'realtime.response', status: 'in_progress', output: [] } });
    for (let at = 0; at < ms; at += DELTA_MS) {
      send({ type: 'response.output_audio.delta', response_id: id, item_id: item, output_index: 0, content_index: 0,
        delta: speech(DELTA_MS, responses).toString('base64') });
    }
    send({ type: 'response.output_audio.done', response_id: id, item_id: item, output_index: 0, content_index: 0 });
    send({ type: 'response.done', response: { id, object: 'realtime.response', status: 'completed', output: [] } });
  };
  send({ type: 'session.created', session: { type: 'realtime', object: 'realtime.session', id: 's', model: 'm' } });
  let begun = false, interrupted = false;
  socket.on('message', (data) => {
    const event = JSON.parse(data);
    if (event.type === 'session.update')
      send({ type: 'session.updated', session: { type: 'realtime', object: 'realtime.session', id: 's', ...event.session } });
    if (event.type === 'conversation.item.truncate')
      seen.truncated.push(event.audio_end_ms);
    if (event.type !== 'input_audio_buffer.append')
      return;
    seen.appended += Buffer.from(event.audio, 'base64').length;
    if (!begun) {
      begun = true;
      respond(SPEECH_MS);
    } else if (!interrupted && seen.appended > INTERRUPT_AT_MS * 8) {
      interrupted = true; /* the callee cuts in */
      send({ type: 'input_audio_buffer.speech_started', item_id: 'u1', audio_start_ms: INTERRUPT_AT_MS });
      send({ type: 'input_audio_buffer.speech_stopped', item_id: 'u1', audio_end_ms: INTERRUPT_AT_MS + 100 });
      setTimeout(() => respond(DELTA_MS), 200);
    }
  });
}

const model = http.createServer();
new WebSocketServer({ server: model }).on('connection', serveModel);
await new Promise((resolve) => model.listen(0, '127.0.0.1', resolve));

/* ---- the bot ---- */

const server = http.createServer();
const sockets = new WebSocketServer({ server });
sockets.on('connection', async (socket, request) => {
  const url = `ws://${request.headers.host}${request.url}`;
  seen.signed.push(twilio.validateRequest('acceptance token', request.headers['x-twilio-signature'] ?? '', url, {}));
  const transport = new TwilioRealtimeTransportLayer({ twilioWebSocket: socket });
  const session = new RealtimeSession(new RealtimeAgent({ name: 'a', instructions: 'x' }), { transport, tracingDisabled: true });
  transport.on('*', (event) => {
    if (event.type === 'twilio_message' && event.message.event !== 'media')
      seen.twilio.push(event.message);
    if (event.type === 'twilio_message' && event.message.event === 'media')
      seen.media = (seen.media ?? 0) + 1;
    if (event.type === 'twilio_message' && event.message.mark?.name?.startsWith('done:item_2'))
      setTimeout(() => socket.close(), 100);
  });
  session.on('error', (error) => seen.errors.push(String(error.error?.message ?? error.error ?? error)));
  socket.on('close', () => {
    tell({ seen });
    setTimeout(() => process.exit(0), 100);
  });
  await session.connect({ apiKey: 'none', url: `ws://127.0.0.1:${model.address().port}` });
});
server.listen(0, '127.0.0.1', () => tell({ url: `ws://127.0.0.1:${server.address().port}/twilio/media-stream?call=1` }));
