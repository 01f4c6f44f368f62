import { Inject, Injectable } from '@nestjs/common';
import { Database } from '@genledger/platform';
import type { Actor } from '@genledger/platform';
import type { AsOf } from './as-of';
import { NoPast, readJobHistoryAsOf } from './job-history';
import { JobResource, jobResource, OUTPUT_LINKS } from './job-resource';
import type { OutputLinks } from './job-resource';
import { LogClock } from './log-clock';
import { replayJob } from './replay';

export type JobAsOf = { readonly status: 'found'; readonly job: JobResource } | { readonly status: NoPast };

/** Reads jobs as they were, by folding their histories, as an actor, under row-level security. */
@Injectable()
export class PastJobReader {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(LogClock) private readonly clock: LogClock,
    @Inject(OUTPUT_LINKS) private readonly links: OutputLinks,
  ) {}

  /**
   * `absent` also where the job had been deleted or archived by then: it would not have been shown. Its place in the
   * queue is not known of the past, and links to its files are of now.
   */
  async get(actor: Actor, id: string, asOf: AsOf): Promise<JobAsOf> {
    const events = await readJobHistoryAsOf(this.database, this.clock, actor, id, asOf);
    if (typeof events === 'string') return { status: events };
    const { row, outputs, outputErrors } = replayJob(events);
    if (!row) return { status: 'absent' };
    return { status: 'found', job: jobResource(row, { outputs, outputErrors }, this.links) };
  }
}
