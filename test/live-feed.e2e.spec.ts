import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { EventStreams, newId, PULSE_MS } from '@genledger/platform';
import type { Role } from '@genledger/platform';
import { exchange, expectProblem, requestBytes } from '../libs/platform/src/testing/http-exchange';
import { Caller, startApp, TestApp } from './support/app';
import { eraseContents } from './support/erase-contents';
import { EventSource, EventSourceOptions } from './support/event-source';
import { ManualClock } from './support/manual-clock';
import { until } from './support/until';

jest.setTimeout(60_000);

const clock = new ManualClock();
let app: TestApp;
beforeAll(async () => {
  app = await startApp({ env: { GENLEDGER_ROLES: 'api' }, streamClock: clock });
});
afterAll(() => app.close());

const sources: EventSource[] = [];
beforeEach(() => clock.reset());
afterEach(() => sources.splice(0).forEach((source) => source.cut()));

const someone = (role?: Role): Promise<Caller> => app.as(randomUUID(), role);

async function listen(
  caller: Caller,
  path: string,
  options: Omit<EventSourceOptions, 'token'> = {},
): Promise<EventSource> {
  const source = await EventSource.open(`${app.url}${path}`, { token: caller.token, ...options });
  sources.push(source);
  return source;
}

/** A listener at the feed that stands where the log ends. */
async function feedOf(caller: Caller, path = '/v1/feed', lastEventId?: string): Promise<EventSource> {
  const source = await listen(caller, path, { lastEventId });
  expect(source.status).toBe(200);
  return source.until('it knows where it stands', ({ lastEventId }) => lastEventId !== '');
}

async function queue(caller: Caller, body: object = {}): Promise<string> {
  const answer = await caller.post('/v1/jobs', { mode: 'lifestyle', ...body });
  expect(answer.status).toBe(201);
  return answer.body.id as string;
}

async function move(caller: Caller, id: string, ...statuses: readonly string[]): Promise<void> {
  for (const status of statuses)
    expect((await caller.post(`/v1/jobs/${id}/transition`, { status })).status).toBe(200);
}

async function historyOf(caller: Caller, id: string): Promise<Record<string, unknown>[]> {
  return (await caller.get(`/v1/jobs/${id}/events`)).body.data as Record<string, unknown>[];
}

const typesOf = ({ messages }: EventSource): unknown[] => messages.map(({ type }) => type);
const has = (count: number) => (source: EventSource) => source.messages.length >= count;

describe('GET /v1/jobs/{id}/events as a stream', () => {
  it('begins with the first event, goes on as they happen, and ends with the job', async () => {
    const user = await someone();
    const id = await queue(user, { metadata: { order: '17\n18' } });
    const source = await listen(user, `/v1/jobs/${id}/events`);
    expect(source.status).toBe(200);
    await source.until('the first event', has(1));
    expect(source.retry).toBe(2_000);
    await move(user, id, 'running');
    await source.until('the start', has(2));
    await move(user, id, 'succeeded');
    expect(await source.untilClosed()).toBe('ended');
    expect(source.messages).toEqual(await historyOf(user, id));
    expect(source.messages[0]).toMatchObject({ job_id: id, content: { metadata: { order: '17\n18' } } });
    expect(source.events.map(({ id: eventId }) => eventId).slice(0, 3)).toEqual(
      source.messages.map(({ position }) => `1:${String(position)}`),
    );
    expect(source.events.at(-1)).toMatchObject({ event: 'end', data: '{"reason":"job_ended"}' });
  });

  it('answers 204 where the job has ended and nothing follows the last id; what follows is told', async () => {
    const user = await someone();
    const id = await queue(user);
    await move(user, id, 'running', 'succeeded');
    const first = await listen(user, `/v1/jobs/${id}/events`);
    await first.untilClosed();
    const { lastEventId } = first;
    expect((await listen(user, `/v1/jobs/${id}/events`, { lastEventId })).status).toBe(204);
    expect((await user.delete(`/v1/jobs/${id}`)).status).toBe(204);
    const later = await listen(user, `/v1/jobs/${id}/events`, { lastEventId });
    await later.untilClosed();
    expect(typesOf(later)).toEqual(['JobDeleted']);
    expect(later.events.at(-1)!.event).toBe('end');
  });

  it('tells a job that has ended whole, though it is longer than a page', async () => {
    const user = await someone();
    const id = await queue(user);
    for (let priority = 1; priority <= 40; priority++)
      await user.patch(`/v1/jobs/${id}`, { priority, tags: [`t${priority}`] });
    await user.post(`/v1/jobs/${id}/cancel`);
    const source = await listen(user, `/v1/jobs/${id}/events`);
    await source.untilClosed();
    expect(source.messages).toHaveLength(42);
    expect(source.messages).toEqual(await historyOf(user, id));
  });

  it('shows erased texts as null, as the history does', async () => {
    const user = await someone();
    const id = await queue(user, { tags: ['secret'] });
    await eraseContents(app.superuser, id);
    await user.post(`/v1/jobs/${id}/cancel`);
    const source = await listen(user, `/v1/jobs/${id}/events`);
    await source.untilClosed();
    expect(source.messages[0]).toMatchObject({ type: 'JobQueued', content: null });
    expect(source.messages).toEqual(await historyOf(user, id));
  });

  it('answers another’s job as an absent one, to the byte', async () => {
    const [owner, other] = [await someone(), await someone()];
    const foreign = await queue(owner);
    const answers: string[] = [];
    for (const id of [foreign, newId()]) {
      const answer = await exchange(
        app.port,
        requestBytes('GET', `/v1/jobs/${id}/events`, [
          `Authorization: Bearer ${other.token}`,
          'Accept: text/event-stream',
          'X-Request-Id: the-same',
        ]),
      );
      expectProblem(answer, 404, 'not-found');
      answers.push(JSON.stringify([answer.headers, answer.text]).replaceAll(id, 'ID'));
    }
    expect(answers[0]!.replace(/"date":"[^"]*"/, '')).toBe(answers[1]!.replace(/"date":"[^"]*"/, ''));
  });

  it('is open to auditors, as the history is', async () => {
    const owner = await someone();
    const id = await queue(owner);
    const source = await listen(await someone('auditor'), `/v1/jobs/${id}/events`);
    await source.until('the first event', has(1));
    expect(source.messages).toEqual(await historyOf(owner, id));
  });

  it('is JSON by default, and where both are as welcome', async () => {
    const user = await someone();
    const id = await queue(user);
    for (const accept of ['*/*', 'application/json', 'application/json, text/event-stream', 'image/png']) {
      const answer = await user
        .get(`/v1/jobs/${id}/events`)
        .set('accept', accept)
        .set('last-event-id', '9:x');
      expect([answer.status, answer.type]).toEqual([200, 'application/json']);
      expect(answer.headers['vary']).toBe('Authorization, Accept');
      expect(answer.body.data).toHaveLength(1);
    }
  });
});

describe('GET /v1/feed', () => {
  it('begins now, and tells one’s own events of all jobs in order', async () => {
    const [user, other] = [await someone(), await someone()];
    const earlier = await queue(user);
    const source = await feedOf(user);
    const jobs: string[] = [];
    for (let n = 0; n < 3; n++) {
      await queue(other);
      jobs.push(await queue(user));
    }
    await move(user, earlier, 'running');
    await move(user, jobs[0]!, 'running', 'succeeded');
    await source.until('all of them', has(6));
    expect(source.messages.map(({ job_id, type }) => [job_id, type])).toEqual([
      ...jobs.map((id) => [id, 'JobQueued']),
      [earlier, 'JobStarted'],
      [jobs[0], 'JobStarted'],
      [jobs[0], 'JobSucceeded'],
    ]);
    const shown = source.messages.filter(({ job_id }) => job_id === jobs[0]);
    expect(shown).toEqual(await historyOf(user, jobs[0]!));
  });

  it('begins after an id, or with the first event; a browser’s header goes before the URL it keeps', async () => {
    const user = await someone();
    const ids = [await queue(user), await queue(user), await queue(user)];
    const jobs = async (path: string, count: number, lastEventId?: string): Promise<unknown[]> => {
      const source = await listen(user, path, { lastEventId });
      await source.until('all of them', has(count));
      return source.messages.map(({ job_id }) => job_id);
    };
    expect(await jobs('/v1/feed?after=0', 3)).toEqual(ids);
    const [first, second] = (await Promise.all(ids.map((id) => historyOf(user, id)))).map(
      ([event]) => `1:${String(event!['position'])}`,
    );
    expect(await jobs(`/v1/feed?after=${first}`, 2)).toEqual(ids.slice(1));
    expect(await jobs(`/v1/feed?after=${first}`, 1, second)).toEqual(ids.slice(2));
  });

  it.each(['auditor', 'admin', 'service'] as const)('shows an %s no more than their own', async (role) => {
    const [special, user] = [await someone(role), await someone()];
    const source = await feedOf(special);
    await queue(user);
    if (role === 'auditor') {
      clock.advance(PULSE_MS);
      await source.until('a heartbeat', ({ comments }) => comments.length > 0);
      expect(source.messages).toEqual([]);
      return;
    }
    const own = await queue(special);
    await source.until('one’s own', has(1));
    expect(source.messages).toMatchObject([{ job_id: own }]);
  });

  it('is a stream or nothing', async () => {
    const user = await someone();
    const answer = await user.get('/v1/feed').set('accept', 'application/json');
    expect([answer.status, answer.body.code]).toEqual([406, 'not-acceptable']);
    const post = await user.post('/v1/feed');
    expect([post.status, post.headers['allow']]).toEqual([405, 'GET, HEAD']);
    expect((await listen(user, '/v1/feed', { accept: '*/*' })).headers['content-type']).toMatch(
      /^text\/event-stream/,
    );
  });

  it('has heads that keep proxies from holding it back', async () => {
    const user = await someone();
    const id = await queue(user);
    for (const path of ['/v1/feed', `/v1/jobs/${id}/events`]) {
      const { headers } = await listen(user, path);
      const head = await exchange(
        app.port,
        requestBytes('HEAD', path, [`Authorization: Bearer ${user.token}`, 'Accept: text/event-stream']),
      );
      for (const answer of [headers, head.headers]) {
        expect(answer['content-type']).toBe('text/event-stream; charset=utf-8');
        expect(answer['cache-control']).toBe('private, no-store, no-transform');
        expect(answer['x-accel-buffering']).toBe('no');
        expect(answer['content-encoding']).toBeUndefined();
        expect(answer['x-request-id']).toMatch(/./);
      }
      expect([head.status, head.text]).toEqual([200, '']);
    }
  });

  it('beats every 15 s, and moves the id on that others’ events have passed', async () => {
    const [user, other] = [await someone(), await someone()];
    const source = await feedOf(user);
    const before = source.lastEventId;
    const witness = await feedOf(other);
    await queue(other);
    await witness.until('the other’s event', has(1));
    clock.advance(PULSE_MS - 1);
    expect(source.comments).toEqual([]);
    clock.advance(1);
    await source.until('a heartbeat', ({ comments }) => comments.length === 1);
    await source.until('a newer id', ({ lastEventId }) => lastEventId !== before);
    expect(source.events).toEqual([]);
    const own = await queue(user);
    const resumed = await feedOf(user, '/v1/feed', source.lastEventId);
    await resumed.until('one’s own', has(1));
    expect(resumed.messages).toMatchObject([{ job_id: own }]);
  });

  it('keeps nothing of readers that have gone, those in line on one connection included', async () => {
    const user = await someone();
    const streams = app.app.get(EventStreams);
    await until('those of other tests are gone', () => streams.size === 0);
    const source = await feedOf(user);
    const socket = connect(app.port, '127.0.0.1');
    const request = [
      'GET /v1/feed HTTP/1.1',
      'Host: localhost',
      `Authorization: Bearer ${user.token}`,
      '',
      '',
    ];
    socket.write(request.join('\r\n').repeat(3));
    await until('they are all open', () => streams.size === 4);
    socket.destroy();
    await until('the line is gone', () => streams.size === 1);
    source.cut();
    await until('the last is gone', () => streams.size === 0);
  });

  it('ends when the token does', async () => {
    const user = await someone();
    const source = await feedOf(user);
    clock.advance(594_000);
    await source.until('a heartbeat', ({ comments }) => comments.length > 0);
    clock.advance(6_000);
    expect(await source.untilClosed()).toBe('ended');
    expect(source.events).toMatchObject([{ event: 'end', data: '{"reason":"token_expired"}' }]);
  });
});

describe('an id to resume from', () => {
  const bad = [
    '',
    '7',
    'x',
    '1:',
    '1:-1',
    '1:1.5',
    '01:1',
    '0:0',
    '1:0x1',
    '1:1, 1:2',
    `1:${'9'.repeat(17)}`,
  ];
  const unknown = ['2:0', '2:1', '1:999999999999'];

  it.each([...bad, ...unknown])('that is none of this log’s is refused: %j', async (lastEventId) => {
    const user = await someone();
    const id = await queue(user);
    for (const path of ['/v1/feed', `/v1/jobs/${id}/events`]) {
      const answer = await user
        .get(path)
        .set('accept', 'text/event-stream')
        .set('last-event-id', lastEventId);
      expect([answer.status, answer.body.code, answer.body.errors]).toEqual([
        422,
        'invalid-cursor',
        undefined,
      ]);
    }
  });

  it.each([
    ['after=', 'invalid-cursor'],
    ['after=x', 'invalid-cursor'],
    ['after=00', 'invalid-cursor'],
    ['after=2:1', 'invalid-cursor'],
    ['after=1:999999999999', 'invalid-cursor'],
    [`after=${'1'.repeat(33)}`, 'validation-failed'],
    ['after=0&after=0', 'duplicate-parameter'],
    ['before=0', 'unknown-parameter'],
  ])('in the query is refused too: %s', async (query, code) => {
    const user = await someone();
    const answer = await user.get(`/v1/feed?${query}`).set('accept', 'text/event-stream');
    expect([answer.status, answer.body.code]).toEqual([422, code]);
    expect(answer.body.errors).toHaveLength(1);
  });

  it('is refused on a job’s stream as a parameter of the query', async () => {
    const user = await someone();
    const id = await queue(user);
    const answer = await user.get(`/v1/jobs/${id}/events?after=0`).set('accept', 'text/event-stream');
    expect([answer.status, answer.body.code]).toEqual([422, 'unknown-parameter']);
  });
});

it('describes both in OpenAPI', async () => {
  const { body } = await (await someone()).get('/openapi.json');
  for (const path of ['/v1/feed', '/v1/jobs/{id}/events']) {
    const { parameters, responses } = body.paths[path].get;
    expect(parameters.map(({ name }: { name: string }) => name)).toContain('Last-Event-ID');
    expect(responses['200'].content['text/event-stream'].itemSchema).toEqual({
      $ref: '#/components/schemas/JobEventDto',
    });
    expect(responses['default'].content['application/problem+json']).toBeDefined();
  }
  const history = body.paths['/v1/jobs/{id}/events'].get.responses['200'].content['application/json'];
  expect(history.schema.properties.data.items.$ref).toBe('#/components/schemas/JobEventDto');
  const user = await someone();
  const [event] = await historyOf(user, await queue(user));
  expect(Object.keys(body.components.schemas.JobEventDto.properties).sort()).toEqual(
    Object.keys(event!).sort(),
  );
});
