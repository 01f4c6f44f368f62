import { EventPage, EventPages, EventStream, PULSE_MS } from './event-stream';

const T0 = Date.UTC(2026, 0, 1);

/** Pages that a test hands over by hand. */
class ManualPages implements EventPages {
  resumeId = '1:0';
  asked = 0;
  isClosed = false;
  private hand: ((page: EventPage) => void) | undefined;

  next(): Promise<EventPage> {
    this.asked++;
    return new Promise((resolve) => (this.hand = resolve));
  }

  close(): void {
    this.isClosed = true;
  }

  async give(page: EventPage): Promise<void> {
    this.hand!(page);
    await settled();
  }
}

/** Every promise and stream callback that is due has run. */
async function settled(): Promise<void> {
  for (let n = 0; n < 5; n++) await new Promise((resolve) => setImmediate(resolve));
}

const event = (position: number, data = '{}') => ({ id: `1:${position}`, data });
const frame = (position: number, data = '{}') => `id: 1:${position}\ndata: ${data}\n\n`;

let pages: ManualPages;
beforeEach(() => (pages = new ManualPages()));

function open(options: { expiresAt?: number; announceId?: boolean } = {}): EventStream {
  return new EventStream(pages, { now: T0, announceId: false, ...options });
}

/** A reader that takes everything at once. */
function read(stream: EventStream): { text: string } {
  const seen = { text: '' };
  stream.on('data', (chunk) => (seen.text += String(chunk)));
  return seen;
}

it('tells how long to wait before coming back, then the events, a page after the other', async () => {
  const seen = read(open());
  await settled();
  expect(seen.text).toBe('retry: 2000\n\n');
  await pages.give({ events: [event(3, '{"a":1}'), event(5)] });
  await pages.give({ events: [event(8)] });
  expect(seen.text).toBe(`retry: 2000\n\n${frame(3, '{"a":1}')}${frame(5)}${frame(8)}`);
});

it('tells the id to resume from at once where that is asked for', async () => {
  pages.resumeId = '1:77';
  const seen = read(open({ announceId: true }));
  await settled();
  expect(seen.text).toBe('retry: 2000\nid: 1:77\n\n');
});

it('beats while nothing happens, with an id where there is a newer one to resume from', async () => {
  const stream = open({ announceId: true });
  const seen = read(stream);
  await settled();
  seen.text = '';
  stream.tick(T0 + PULSE_MS - 1);
  await settled();
  expect(seen.text).toBe('');
  stream.tick(T0 + PULSE_MS);
  stream.tick(T0 + 2 * PULSE_MS - 1);
  await settled();
  expect(seen.text).toBe(': heartbeat\n\n');
  pages.resumeId = '1:9';
  stream.tick(T0 + 2 * PULSE_MS);
  stream.tick(T0 + 3 * PULSE_MS);
  await settled();
  expect(seen.text).toBe(': heartbeat\n\n: heartbeat\nid: 1:9\n\n: heartbeat\n\n');
});

it('asks for no page while its reader takes nothing, and is given up after two pulses of that', async () => {
  const stream = open();
  stream.read(0);
  await settled();
  expect(pages.asked).toBe(1);
  const big = JSON.stringify('x'.repeat(10_000));
  await pages.give({ events: Array.from({ length: 32 }, (_, n) => event(n + 1, big)) });
  expect(pages.asked).toBe(1);
  expect(stream.readableLength).toBeLessThan(64 * 1024 + 11_000);
  stream.tick(T0 + PULSE_MS);
  expect(stream.destroyed).toBe(false);
  stream.tick(T0 + 2 * PULSE_MS);
  expect(stream.destroyed).toBe(true);
  expect(pages.isClosed).toBe(true);
});

it('keeps a reader that is slow, but reads', async () => {
  const stream = open();
  stream.read(0);
  await settled();
  const big = JSON.stringify('x'.repeat(10_000));
  await pages.give({ events: Array.from({ length: 32 }, (_, n) => event(n + 1, big)) });
  let seen = '';
  for (let pulse = 1; pulse <= 4; pulse++) {
    stream.tick(T0 + pulse * PULSE_MS);
    seen += String(stream.read());
    await settled();
  }
  expect(stream.destroyed).toBe(false);
  seen += String(stream.read() ?? '');
  await settled();
  expect(seen).not.toContain('heartbeat');
  expect(seen.match(/^id: .*$/gm)).toEqual(Array.from({ length: 32 }, (_, n) => `id: 1:${n + 1}`));
});

it('ends with the reason that the pages give', async () => {
  const stream = open();
  const seen = read(stream);
  await settled();
  await pages.give({ events: [event(1)] });
  await pages.give({ end: 'job_ended' });
  expect(seen.text).toMatch(/data: \{\}\n\nevent: end\ndata: \{"reason":"job_ended"\}\n\n$/);
  expect(stream.closed).toBe(true);
  expect(pages.isClosed).toBe(true);
});

it('ends when the credentials do, and sends nothing after that', async () => {
  const stream = open({ expiresAt: T0 + 5_000 });
  const seen = read(stream);
  await settled();
  stream.tick(T0 + 4_999);
  await settled();
  expect(stream.closed).toBe(false);
  stream.tick(T0 + 5_000);
  await pages.give({ events: [event(1)] });
  expect(seen.text).toBe('retry: 2000\n\nevent: end\ndata: {"reason":"token_expired"}\n\n');
  expect(stream.closed).toBe(true);
});

it('leaves what was not sent to the resumption when it is ended', async () => {
  const stream = open();
  stream.read(0);
  await settled();
  const big = JSON.stringify('x'.repeat(70_000));
  await pages.give({ events: [event(1, big), event(2, big)] });
  stream.end('server_stopping');
  const seen = read(stream);
  await settled();
  expect(seen.text.match(/^(id|event): .*$/gm)).toEqual(['id: 1:1', 'event: end']);
});

it('breaks off without an end where a page cannot be read', async () => {
  const stream = open();
  const failed = new Promise((resolve) => stream.once('error', resolve));
  pages.next = () => Promise.reject(new Error('no database'));
  const seen = read(stream);
  await expect(failed).resolves.toMatchObject({ message: 'no database' });
  expect(seen.text).not.toContain('end');
  expect(pages.isClosed).toBe(true);
});
