import { admit } from '../admission';
import type { Cast } from './cast';
import type { Chance } from './chance';
import { JobLife, TimedItem } from './job-life';
import { external, painted, present } from './plots';
import { externalRequest, isPainted, paintedRequest } from './requests';
import { WorkRhythm } from './work-rhythm';

const MINUTE = 60_000;
/** Jobs of the past were queued this long ago at least, and had ended by then. */
const LAST_QUEUED_MS = 60 * MINUTE;
const LAST_ENDED_MS = 10 * MINUTE;
/** The last jobs, which have not ended: one of so many, and no more than these. */
const PRESENT_ONE_OF = 10;
const MOST_PRESENT = 24;
const PRESENT_MS = 2 * MINUTE;

export interface Span {
  readonly from: number;
  readonly until: number;
}

/**
 * The commands of each job, jobs in the order of their first ones. What happens is decided by chance alone and never by
 * the span: the same seed makes the same jobs whenever it is used.
 */
export function* syntheticJobs(
  jobs: number,
  cast: Cast,
  { from, until }: Span,
  chance: Chance,
): Generator<readonly TimedItem[]> {
  const presentJobs = Math.min(MOST_PRESENT, Math.floor(jobs / PRESENT_ONE_OF));
  const pastJobs = jobs - presentJobs;
  const rhythm = new WorkRhythm(from, until - LAST_QUEUED_MS);
  for (let at = 0; at < pastJobs; at++) {
    const queuedAt = rhythm.momentOf((at + chance.next()) / pastJobs);
    yield oneJob(cast, queuedAt, until - LAST_ENDED_MS, chance, false);
  }
  for (let at = 0; at < presentJobs; at++) {
    const queuedAt = Math.floor(until - PRESENT_MS * ((presentJobs - at) / presentJobs));
    yield oneJob(cast, queuedAt, until, chance, true);
  }
}

function oneJob(
  cast: Cast,
  queuedAt: number,
  until: number,
  chance: Chance,
  isPresent: boolean,
): readonly TimedItem[] {
  const user = cast.someone(chance);
  const life = new JobLife(user.id, queuedAt, until);
  const isForWorkers = isPainted(chance);
  const job = admit((isForWorkers ? paintedRequest : externalRequest)(user, chance));
  const live = isPresent ? present : isForWorkers ? painted : external;
  live(life, job, chance);
  return life.items;
}
