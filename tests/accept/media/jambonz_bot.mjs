/*
 * jambonz_bot - a bot on the audio endpoint of @jambonz/sdk, unchanged: it plays linear audio, sets
 * and clears marks, and disconnects. Writes its address and, at the end, what was seen, as JSON
 * lines.
 */
import http from 'node:http';
import { createEndpoint } from '@jambonz/sdk/websocket';

const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const quiet = { info() {}, debug() {}, warn() {}, error() {}, child: () => quiet };
const server = http.createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const makeService = createEndpoint({ server, logger: quiet });
const tone = (ms, rate) => {
  const data = Buffer.alloc(ms * rate / 1000 * 2);
  for (let i = 0; i < data.length / 2; i++)
    data.writeInt16LE(Math.round(8000 * Math.sin(2 * Math.PI * 500 * i / rate)), i * 2);
  return data;
};

makeService.audio({ path: '/audio' }).on('connection', (stream) => {
  const seen = { metadata: stream.metadata, bytes: 0, sizes: {}, marks: [], dtmf: [], done: [] };
  stream.on('audio', (data) => {
    seen.bytes += data.length;
    seen.sizes[data.length] = (seen.sizes[data.length] ?? 0) + 1;
  });
  stream.on('dtmf', (event) => seen.dtmf.push(event.digit));
  stream.on('playDone', (event) => {
    seen.done.push(event.id);
    stream.sendAudio(tone(400, stream.sampleRate));
    stream.sendMark('begun');
    stream.sendAudio(tone(60000, stream.sampleRate));
    stream.sendMark('never');
  });
  stream.on('mark', (event) => {
    seen.marks.push(event);
    if (event.name === 'heard')
      stream.playAudio(tone(200, 8000).toString('base64'), { sampleRate: 8000, id: 'p1' });
    if (event.name === 'begun') {
      stream.killAudio();
      stream.disconnect();
    }
  });
  stream.on('close', () => {
    tell({ seen });
    setTimeout(() => process.exit(0), 100);
  });
  stream.sendAudio(tone(600, stream.sampleRate));
  stream.sendMark('heard');
});
tell({ url: `ws://127.0.0.1:${server.address().port}/audio` });
