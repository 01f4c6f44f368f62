import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { verifyLedger } from '@genledger/jobs';
import { Database } from '@genledger/platform';
import { startApp, TestApp } from './support/app';

jest.setTimeout(120_000);

const JOBS = 5_000;
const CONNECTIONS = 64;
const USERS = 50;

interface Answer {
  readonly status: number;
  readonly id: string;
}

describe(`${JOBS} POST /v1/jobs over ${CONNECTIONS} connections`, () => {
  let app: TestApp;
  let agent: Agent;

  beforeAll(async () => {
    app = await startApp({ env: { GENLEDGER_ROLES: 'api,projector,scheduler' } });
    agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  });
  afterAll(async () => {
    agent.destroy();
    await app.close();
  });

  function post(token: string, body: object): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const text = JSON.stringify(body);
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const call = request(`${app.url}/v1/jobs`, { method: 'POST', agent, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const answer = JSON.parse(Buffer.concat(chunks).toString()) as { id: string };
          resolve({ status: response.statusCode ?? 0, id: answer.id });
        });
      });
      call.on('error', reject);
      call.end(text);
    });
  }

  it('are all acknowledged, all in the log, and add up; the ledger verifies clean', async () => {
    const users = Array.from({ length: USERS }, () => randomUUID());
    const tokens = await Promise.all(users.map((user) => app.token(user)));
    const answers: Answer[] = [];
    let next = 0;
    const caller = async (): Promise<void> => {
      while (next < JOBS) {
        const n = next++;
        answers.push(
          await post(tokens[n % USERS]!, { mode: 'lifestyle', cost_cents: n % 7, tags: [`n${n}`] }),
        );
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, caller));

    expect(answers.filter(({ status }) => status !== 201)).toEqual([]);
    expect(new Set(answers.map(({ id }) => id)).size).toBe(JOBS);
    const { rows: logged } = await app.superuser.query<{ stream_id: string }>(
      `select stream_id from genledger.events where type = 'JobQueued'`,
    );
    expect(new Set(logged.map((row) => row.stream_id))).toEqual(new Set(answers.map(({ id }) => id)));

    const cents = Array.from({ length: JOBS }, (_, n) => n % 7).reduce((sum, each) => sum + each, 0);
    const admin = await app.as(randomUUID(), 'admin');
    const { body } = await admin.get('/v1/statistics');
    expect(body.data).toEqual([
      {
        status: 'queued',
        count: JOBS,
        total_cost_cents: cents,
        avg_cost_cents: expect.closeTo(cents / JOBS, 2),
      },
    ]);

    const results = await verifyLedger(app.app.get(Database));
    expect(results.filter((result) => result.offenders > 0)).toEqual([]);
    expect(results.length).toBeGreaterThan(10);
  });
});
