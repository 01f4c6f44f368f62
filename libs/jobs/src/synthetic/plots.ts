import { LEASE_MS } from '../commands/work-jobs';
import type { NewJob } from '../job-commands';
import type { Chance } from './chance';
import type { JobLife } from './job-life';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 1_440 * MINUTE;

const WORKERS = ['gpu-1', 'gpu-2', 'gpu-3', 'gpu-4'] as const;
const PASSING = [
  ['provider_unavailable', 'The provider did not answer in time'],
  ['rate_limited', 'Too many requests'],
] as const;
const FINAL = [
  ['content_policy_violation', 'The prompt was refused'],
  ['invalid_input', 'The model cannot make this size'],
] as const;

/** What becomes of a thousand jobs, roughly. */
const PAINTED_ENDS = {
  done: 800,
  doneLater: 60,
  refused: 35,
  exhausted: 15,
  canceledWaiting: 25,
  canceledRunning: 20,
  lost: 12,
  handedBack: 10,
  overdue: 8,
  hurried: 15,
} as const;
const EXTERNAL_ENDS = { done: 840, failed: 80, canceledWaiting: 50, canceledRunning: 30 } as const;
const DELETED = 0.03;
const STILL_WAITING = 0.6;

/** A job that workers here have ended. `job` is what it was queued as. */
export function painted(life: JobLife, job: NewJob, chance: Chance): void {
  const end = chance.weighted(PAINTED_ENDS);
  if (end === 'overdue') return overdue(life, job, chance);
  life.queue(job);
  const start = (): JobLife => life.after(chance.wait(15 * SECOND)).start(chance.pick(WORKERS));
  const work = (): JobLife => life.after(chance.wait(3 * SECOND * imagesOf(job)));
  const failPassing = (): JobLife => {
    const [code, message] = chance.pick(PASSING);
    work().fail(code, message, true);
    return life.after(life.retryAfterMs);
  };
  const succeed = (): JobLife => work().succeed(job.estimatedCents);
  switch (end) {
    case 'hurried':
      life.after(chance.wait(5 * SECOND)).raisePriority();
      start();
      succeed();
      break;
    case 'done':
      start();
      succeed();
      break;
    case 'doneLater':
      start();
      failPassing();
      start();
      succeed();
      break;
    case 'refused': {
      const [code, message] = chance.pick(FINAL);
      start();
      work().fail(code, message, false);
      break;
    }
    case 'exhausted':
      for (let attempt = 0; attempt < job.maxAttempts; attempt++) {
        start();
        failPassing();
      }
      break;
    case 'canceledWaiting':
      life.after(chance.wait(20 * SECOND)).cancel();
      break;
    case 'canceledRunning':
      start();
      life.after(chance.wait(2 * SECOND)).cancel();
      life.after(chance.wait(SECOND)).confirmCancel();
      break;
    case 'lost':
      start();
      life.after(LEASE_MS + chance.wait(SECOND)).expireLease();
      life.after(life.retryAfterMs);
      start();
      succeed();
      break;
    case 'handedBack':
      start();
      life.after(chance.wait(2 * SECOND)).release();
      start();
      succeed();
      break;
  }
  perhapsDelete(life, chance);
}

/** A job that was done elsewhere, as its owner told. */
export function external(life: JobLife, job: NewJob, chance: Chance): void {
  life.queue(job).after(chance.wait(MINUTE));
  const end = chance.weighted(EXTERNAL_ENDS);
  if (end === 'canceledWaiting') life.cancel();
  else {
    life.transition('running').after(chance.wait(4 * MINUTE));
    if (end === 'done') life.transition('succeeded', chance.integer(3, 240));
    else if (end === 'failed') life.transition('failed', chance.integer(0, 40), 'render_failed');
    else life.cancel();
  }
  perhapsDelete(life, chance);
}

/** A job of just now: it waits, or somebody works on it. */
export function present(life: JobLife, job: NewJob, chance: Chance): void {
  life.queue(job);
  if (chance.happens(STILL_WAITING)) return;
  life.after(chance.wait(5 * SECOND));
  if (job.kind === 'external') life.transition('running');
  else life.start(chance.pick(WORKERS));
}

function overdue(life: JobLife, job: NewJob, chance: Chance): void {
  const patienceMs = chance.integer(5, 30) * MINUTE;
  life.queue({ ...job, deadline: life.now + patienceMs });
  life.after(patienceMs + chance.wait(SECOND)).missDeadline();
}

function perhapsDelete(life: JobLife, chance: Chance): void {
  const soonest = chance.wait(2 * DAY);
  const share = chance.next();
  if (!chance.happens(DELETED)) return;
  life.after(Math.min(soonest, Math.floor(share * life.timeLeft))).delete();
}

function imagesOf({ effective }: NewJob): number {
  return Number(effective.number_of_images ?? 1);
}
