import sharp from 'sharp';
import { newId, ROLES } from '@genledger/platform';
import { exchange, expectProblem, requestBytes } from '../libs/platform/src/testing/http-exchange';
import type { Answer } from '../libs/platform/src/testing/http-exchange';
import { BOB, Caller, startApp, TestApp } from './support/app';
import { Operation, operationsOf, pathWith } from './support/operations';
import { writtenRows } from './support/written-rows';

jest.setTimeout(30_000);

/** One for nobody, then one for each role, in this order. */
type Statuses = readonly [
  none: number,
  user: number,
  service: number,
  worker: number,
  auditor: number,
  admin: number,
];
const CALLERS = ['nobody', ...ROLES] as const;

interface Entry {
  /** What the path's id is of; made anew for each request, by the caller or by another user. */
  readonly of?: (owner: Caller) => Promise<string>;
  readonly headers?: readonly string[];
  readonly body?: (caller: Caller) => Promise<object>;
  readonly own: Statuses;
  /** Of another user, and of nobody; for paths with an id. */
  readonly foreign?: Statuses;
  readonly absent?: Statuses;
}

const sent =
  (body: object): NonNullable<Entry['body']> =>
  () =>
    Promise.resolve(body);

const job = async (owner: Caller): Promise<string> =>
  (await owner.post('/v1/jobs', { mode: 'x' })).body.id as string;
const endedJob = async (owner: Caller): Promise<string> => {
  const id = await job(owner);
  for (const status of ['running', 'succeeded']) await owner.post(`/v1/jobs/${id}/transition`, { status });
  return id;
};
const imageJob = async (owner: Caller): Promise<string> =>
  (await owner.post('/v1/jobs', { prompt: 'x' })).body.id as string;
const project = async (owner: Caller): Promise<string> =>
  (await owner.post('/v1/projects', { name: 'x' })).body.id as string;
const asset = async (owner: Caller): Promise<string> =>
  (await owner.post('/v1/assets', {})).body.id as string;
const upload = async (owner: Caller): Promise<string> =>
  (await owner.post('/v1/uploads').attach('file', png, { filename: 'x.png', contentType: 'image/png' })).body
    .id as string;

/** Reading lists and sums: for all but workers. */
const READ: Statuses = [401, 200, 200, 403, 200, 200];
/** Those that see everybody's find another's, too. */
const READ_FOREIGN: Statuses = [401, 404, 200, 403, 200, 200];
const READ_ABSENT: Statuses = [401, 404, 404, 403, 404, 404];
const CHANGE_ABSENT: Statuses = [401, 404, 404, 403, 403, 404];
const writing = (status: number): Statuses => [401, status, status, 403, 403, status];
const reading = (of: Entry['of']): Entry => ({ of, own: READ, foreign: READ_FOREIGN, absent: READ_ABSENT });
const changing = (of: Entry['of'], status: number, body?: Entry['body']): Entry => ({
  of,
  body,
  own: writing(status),
  foreign: [401, 404, status, 403, 403, status],
  absent: CHANGE_ABSENT,
});

/** What a job refers to has to be its owner's; the body names something of the caller's. */
const OTHERS_REFERENCE: Statuses = [401, 404, 422, 403, 403, 422];

/** What each operation answers to whom. An operation that is not here fails the first test. */
const MATRIX: Readonly<Record<string, Entry>> = {
  'GET /v1/jobs': { own: READ },
  'POST /v1/jobs': { body: sent({ mode: 'x' }), own: writing(201) },
  'POST /v1/jobs/batch': { body: sent({ jobs: [{ mode: 'x' }] }), own: writing(200) },
  'GET /v1/jobs/{id}': reading(job),
  'GET /v1/jobs/{id}/events': reading(job),
  'GET /v1/jobs/{id}/outputs': reading(endedJob),
  'PATCH /v1/jobs/{id}': {
    ...changing(job, 200, async (caller) => ({ project_id: await project(caller) })),
    foreign: OTHERS_REFERENCE,
  },
  'POST /v1/jobs/{id}/transition': changing(job, 200, sent({ status: 'running' })),
  'POST /v1/jobs/{id}/cancel': changing(job, 200),
  'POST /v1/jobs/{id}/outputs': {
    ...changing(endedJob, 201, async (caller) => ({ outputs: [{ upload_id: await upload(caller) }] })),
    foreign: OTHERS_REFERENCE,
  },
  'DELETE /v1/jobs/{id}': changing(job, 204),
  'GET /v1/feed': { headers: ['Accept: application/json'], own: [401, 406, 406, 403, 406, 406] },
  'GET /v1/statistics': { own: READ },
  'GET /v1/summary': { own: READ },
  'GET /v1/costs': { own: READ },
  'GET /v1/projects': { own: READ },
  'POST /v1/projects': { body: sent({ name: 'x' }), own: writing(201) },
  'GET /v1/projects/{id}': reading(project),
  'GET /v1/assets': { own: READ },
  'POST /v1/assets': { body: sent({}), own: writing(201) },
  'GET /v1/assets/{id}': reading(asset),
  'GET /v1/uploads': { own: READ },
  // JSON is no file: that this is said shows that the caller was let in.
  'POST /v1/uploads': { body: sent({}), own: writing(415) },
  'GET /v1/uploads/{id}': reading(upload),
  // Services work on everyone's jobs, not on everyone's files.
  'DELETE /v1/uploads/{id}': { ...changing(upload, 204), foreign: [401, 404, 404, 403, 403, 204] },
  // For whoever holds a signed link; without a signature for nobody.
  'GET /v1/uploads/{id}/content': {
    of: upload,
    own: [403, 403, 403, 403, 403, 403],
    foreign: [403, 403, 403, 403, 403, 403],
    absent: [403, 403, 403, 403, 403, 403],
  },
  'POST /api/generate/text-to-image': { body: sent({ prompt: 'x' }), own: writing(202) },
  'GET /api/generate/queue/{generationId}': reading(imageJob),
};

let app: TestApp;
let png: Buffer;
let operations: ReadonlyMap<string, Operation>;
let bob: Caller;
/** The owner's hand of each caller: the same user, with the role `user`. */
let hands: Readonly<Record<string, Caller>>;
let tokens: Readonly<Record<string, string | undefined>>;
beforeAll(async () => {
  app = await startApp({ env: { GENLEDGER_ROLES: 'api' } });
  png = await sharp({ create: { width: 4, height: 3, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
  operations = new Map((await operationsOf(app.port)).map((operation) => [operation.name, operation]));
  bob = await app.as(BOB);
  const callers = await Promise.all(CALLERS.map(async (name) => [name, await app.as(newId())] as const));
  hands = Object.fromEntries(callers);
  tokens = Object.fromEntries(
    await Promise.all(
      callers.map(async ([name, { userId }]) => [
        name,
        name === 'nobody' ? undefined : await app.token(userId, name),
      ]),
    ),
  ) as Record<string, string | undefined>;
});
afterAll(() => app.close());

async function ask(entry: Entry, { method, path }: Operation, caller: string, id: string): Promise<Answer> {
  const body = await entry.body?.(hands[caller]!);
  const headers = [
    'X-Request-Id: the-same',
    ...(tokens[caller] === undefined ? [] : [`Authorization: Bearer ${tokens[caller]}`]),
    ...(body === undefined ? [] : ['Content-Type: application/json']),
    ...(entry.headers ?? []),
  ];
  const before = await writtenRows(app.superuser);
  const bytes = requestBytes(method, pathWith(path, id), headers, body && JSON.stringify(body));
  const answer = await exchange(app.port, bytes);
  if (answer.status >= 400) {
    expectProblem(answer, answer.status, String(answer.json['code']));
    expect(await writtenRows(app.superuser)).toEqual(before);
  }
  return answer;
}

it('has an entry for every operation of the OpenAPI document, and for no other', () => {
  expect(Object.keys(MATRIX).sort()).toEqual([...operations.keys()].sort());
});

describe.each(Object.entries(MATRIX))('%s', (name, entry) => {
  const statusesFor = async (idFor: (caller: string) => Promise<string>): Promise<number[]> => {
    const statuses: number[] = [];
    for (const caller of CALLERS) {
      const { status } = await ask(entry, operations.get(name)!, caller, await idFor(caller));
      statuses.push(status);
    }
    return statuses;
  };

  it(`answers ${entry.own.join(', ')} to ${CALLERS.join(', ')}`, async () => {
    expect(await statusesFor((caller) => entry.of?.(hands[caller]!) ?? Promise.resolve(''))).toEqual(
      entry.own,
    );
  });

  const { of, foreign, absent } = entry;
  it('names another’s and absent ids where it names one’s own', () =>
    expect([foreign !== undefined, absent !== undefined]).toEqual([name.includes('{'), name.includes('{')]));
  if (of === undefined || foreign === undefined || absent === undefined) return;

  it(`answers ${foreign.join(', ')} where it is another’s, ${absent.join(', ')} where it is nobody’s`, async () => {
    expect(await statusesFor(() => of(bob))).toEqual(foreign);
    expect(await statusesFor(() => Promise.resolve(newId()))).toEqual(absent);
  });

  it('tells nobody whether what they may not see is there', async () => {
    for (const [index, caller] of CALLERS.entries()) {
      if (![401, 403, 404].includes(foreign[index]!)) continue;
      const [theirs, nobodys] = [await of(bob), newId()];
      const answers = [];
      for (const id of [theirs, nobodys]) {
        const { status, headers, text } = await ask(entry, operations.get(name)!, caller, id);
        answers.push({ status, headers: { ...headers, date: '' }, text: text.replaceAll(id, '…') });
      }
      expect(answers[0]).toEqual(answers[1]);
    }
  });
});

it.each([
  ['GET', '/v1/jobs/{id}?as_of=1', []],
  ['GET', '/v1/jobs/{id}?as_of=2020-01-01T00:00:00Z', []],
  ['GET', '/v1/jobs/{id}?min_position=1', []],
  ['GET', '/v1/jobs/{id}', ['Prefer: wait=60']],
  ['HEAD', '/v1/jobs/{id}', []],
  ['GET', '/v1/jobs/{id}/events', ['Accept: text/event-stream']],
  ['GET', '/v1/jobs/{id}/events', ['Accept: text/event-stream', 'Last-Event-ID: 1:0']],
])('%s %s %j tells a user nothing of another’s, either', async (method, path, headers) => {
  const answers = [];
  for (const id of [await job(bob), newId()]) {
    const signed = [`Authorization: Bearer ${tokens['user']}`, 'X-Request-Id: the-same', ...headers];
    const { status, text } = await exchange(app.port, requestBytes(method, pathWith(path, id), signed));
    answers.push({ status, text: text.replaceAll(id, '…') });
  }
  expect(answers[0]!.status).toBe(404);
  expect(answers[0]).toEqual(answers[1]);
});
