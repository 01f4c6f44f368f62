import { performance } from 'node:perf_hooks';
import { MAX_IMAGES, MAX_PROMPT } from '@genledger/jobs';
import type { HistoryEvent } from '@genledger/jobs';
import {
  Database,
  createLogger,
  environmentWithFile,
  JsonLogger,
  loadConfig,
  loadServerSecret,
  newId,
  signToken,
} from '@genledger/platform';
import { ObjectStorage } from '@genledger/uploads';
import { RunningServer, startServer } from '../../server/src/server';
import { DemoClient } from './demo-client';
import { demoHome, makeDemoDatabase } from './demo-database';
import { replayEqualsReadModel } from './demo-replay';
import { DemoOutcome, describeEvent, describeOutcome } from './demo-report';
import { CommandFailed, Terminal } from './terminal';
import { wholeNumber } from './token';

const PROMPT = 'A lighthouse on a cliff above a calm sea at dusk';
const ASPECT_RATIO = '16:9';
/** An image takes about a second to paint. */
const JOB_MS = 120_000;

export interface DemoOptions {
  readonly prompt?: string;
  readonly images: string;
  readonly json?: true;
}

/** `genledger demo`: the main job from end to end, on a database and a server of its own. The files stay. */
export async function demo(terminal: Terminal, options: DemoOptions): Promise<void> {
  const images = wholeNumber('--images', options.images, 1, MAX_IMAGES);
  const prompt = options.prompt ?? PROMPT;
  if (prompt.trim() === '' || prompt.length > MAX_PROMPT)
    throw new CommandFailed(`--prompt: 1 to ${MAX_PROMPT} characters are wanted`, 2);
  const environment = environmentWithFile(terminal.cwd, terminal.env);
  const home = demoHome(loadConfig({ GENLEDGER_HOME: environment.GENLEDGER_HOME }).home);
  const say = (line: string): void => terminal.err(`${line}\n`);

  const database = await makeDemoDatabase(home, say);
  let outcome: DemoOutcome;
  try {
    // Of the environment nothing but the home counts: the demo is the same everywhere.
    const config = loadConfig({ GENLEDGER_HOME: home, DATABASE_URL: database.url, PORT: '0' });
    // Standard output is for the result.
    const logger = new JsonLogger(createLogger('warn', process.stderr));
    const server = await startServer(config, { log: say, logger });
    try {
      const coldStart = sinceStart();
      say(`server ready at ${server.address} after ${(coldStart / 1000).toFixed(1)} s`);
      const order = { prompt, number_of_images: images, aspect_ratio: ASPECT_RATIO };
      outcome = await runJob(server, home, order, coldStart, terminal);
    } finally {
      await server.close();
    }
  } finally {
    await database.remove();
  }

  terminal.out(options.json ? `${JSON.stringify(outcome)}\n` : describeOutcome(outcome, terminal.hasColours));
  if (outcome.job.status !== 'succeeded') throw new CommandFailed(`the job ended as ${outcome.job.status}`);
  if (!outcome.replay_equal) throw new CommandFailed('the history, folded anew, is not the stored job');
}

async function runJob(
  { app, address }: RunningServer,
  home: string,
  order: { prompt: string; number_of_images: number; aspect_ratio: string },
  coldStart: number,
  terminal: Terminal,
): Promise<DemoOutcome> {
  const actor = { userId: newId(), role: 'user' } as const;
  const token = await signToken({
    ...actor,
    secret: loadServerSecret(home),
    issuer: 'genledger',
    audience: 'authenticated',
    ttlSeconds: 600,
  });
  const client = new DemoClient(address, token, terminal.interrupted);
  const { id } = await client.queue(order);
  let first: HistoryEvent | undefined;
  const job = await client.follow(id, JOB_MS, (event) => {
    first ??= event;
    terminal.err(`${describeEvent(event, first)}\n`);
  });
  const storage = app.get(ObjectStorage);
  const outputs = [];
  for (const output of job.outputs) {
    await client.check(output);
    const { upload_id, url, mime_type, size, sha256, width, height } = output;
    const path = storage.location(await client.storageKey(upload_id));
    outputs.push({ upload_id, path, url, mime_type, size, sha256, width, height });
  }
  const history = await client.history(id);
  const statistics = await client.statistics();
  return {
    job: { id, status: job.status, parameters: job.parameters, cost: job.cost },
    outputs,
    history: history.map(({ type, version, position, recorded_at, actor: by }) => ({
      type,
      version,
      position,
      recorded_at,
      actor: by,
    })),
    statistics: statistics.map(({ status, count, total_cost_cents }) => ({
      status,
      count,
      total_cost_cents,
    })),
    replay_equal: await replayEqualsReadModel(app.get(Database), actor, id, history, terminal),
    timings_ms: {
      cold_start: coldStart,
      queue_to_start: timeOf(history, 'JobStarted') - timeOf(history, 'JobQueued'),
      total: sinceStart(),
    },
  };
}

/** Milliseconds since the process started, or since what it had to install and build first was there. */
function sinceStart(): number {
  const built = performance.getEntriesByName('genledger built').at(-1)?.startTime ?? 0;
  return Math.round(performance.now() - built);
}

function timeOf(history: readonly HistoryEvent[], type: string): number {
  const event = history.find((candidate) => candidate.type === type);
  return event ? Date.parse(event.recorded_at) : NaN;
}
