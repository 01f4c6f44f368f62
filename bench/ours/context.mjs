/** Our side of a contest: the product's own modules, composed as the server composes them, without its HTTP. */
import 'reflect-metadata';
import { createRequire } from 'node:module';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contest, query } from '../support/contest.mjs';
import { payload, projects } from '../support/payload.mjs';

const require = createRequire(import.meta.url);
const dist = (path) => require(`../../dist/${path}`);
const { NestFactory } = require('@nestjs/core');
const { CommandBus } = require('@nestjs/cqrs');

export const platform = dist('libs/platform/src');
export const jobs = dist('libs/jobs/src');
export const eventStore = dist('libs/event-store/src');
const { ServerModule } = dist('apps/server/src/server.module.js');

/** Migrates, and starts the modules with the given process roles (`none`: only what callers need). */
export async function start(roles = []) {
  await platform.migrateDatabase(contest.pgUrl);
  const home = mkdtempSync(join(tmpdir(), 'genledger-bench-'));
  process.on('exit', () => rmSync(home, { recursive: true, force: true }));
  const config = {
    ...platform.loadConfig({ GENLEDGER_HOME: home, DATABASE_URL: contest.pgUrl, LOG_LEVEL: 'error' }),
    roles: new Set(roles),
  };
  const app = await NestFactory.createApplicationContext(
    ServerModule.forRoot(config, platform.serverUrls(contest.pgUrl)),
    { logger: ['error'] },
  );
  await query(
    `insert into genledger.projects (id, user_id, name)
     select p.id, p.user_id, 'bench' from unnest($1::uuid[], $2::uuid[]) as p(id, user_id)`,
    [projects.map((project) => project.id), projects.map((project) => project.userId)],
  );
  return { app, commands: app.get(CommandBus, { strict: false }) };
}

/** The peers' payload as a job of ours: prompt and metadata apart, project checked, priced. */
export function jobRequest(i) {
  const { prompt, mode, projectId, metadata } = payload(i);
  return {
    kind: 'text_to_image',
    mode,
    projectId,
    textToImage: { prompt, aspect_ratio: metadata.aspectRatio, number_of_images: metadata.numberOfImages },
  };
}

export const actorOf = (i) => ({ userId: payload(i).userId, role: 'user' });

export function assertAccepted(outcomes) {
  const bad = outcomes.find((outcome) => outcome.status !== 'accepted');
  if (bad) throw new Error(`not accepted: ${JSON.stringify(bad)}`);
}

/** One bulk call. A call is one user's; its jobs go to that user's five projects. */
export async function queueBulk(commands, from, length) {
  const call = Math.floor(from / contest.chunk);
  const items = Array.from({ length }, (_, k) => ({ request: jobRequest(call + (k % 5) * 100) }));
  const queued = await commands.execute(new jobs.QueueJobs(actorOf(call), items));
  assertAccepted(queued.map(({ outcome }) => outcome));
}
