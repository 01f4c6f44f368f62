export type { JobRequest } from './admission';
export { LEASE_MS, ClaimJobs, RecordResults, RenewLeases, retryDelayMs } from './commands/work-jobs';
export type { WorkItem } from './claim-batch';
export type { LeaseRenewal, WorkResult } from './commands/work-jobs';
export {
  AddJobOutputs,
  CancelJobs,
  ChangeJobDetails,
  DeleteJobs,
  TransitionJobs,
} from './commands/change-jobs';
export { QueueJobs } from './commands/queue-jobs';
export type { QueuedJob } from './commands/queue-jobs';
export { GenerationJobs, JobRefused } from './generation-jobs';
export { idempotencyKey } from './admission';
export { parseAsOf } from './read-models/as-of';
export type { AsOf } from './read-models/as-of';
export type { HistoryEvent } from './read-models/history-event';
export { readJobHistory, readJobHistoryAsOf } from './read-models/job-history';
export type { NoPast } from './read-models/job-history';
export { tellJob } from './read-models/job-story';
export type { JobStory, StoryStep } from './read-models/job-story';
export { LogClock } from './read-models/log-clock';
export {
  GetJobAsOf,
  GetJobCostsAsOf,
  GetJobStatisticsAsOf,
  GetJobSummaryAsOf,
} from './read-models/past-queries';
export { JobPresenter } from './http/job-presenter';
export { outcomeProblem } from './http/job-problems';
export { fingerprintOf } from './http/job-requests';
export { IsNotBlank, Optional } from './http/job-validators';
export { JOB_KINDS, JOB_STATUSES } from './job-events';
export type {
  JobEvent,
  JobEventType,
  JobKind,
  JobOutput,
  JobOutputError,
  JobStatus,
  RecordedOutput,
} from './job-events';
export type { JobOutcome } from './job-item';
export { JobsModule } from './jobs.module';
export { priceInCents } from './prices';
export { DeadlineEnforcer } from './processes/deadline-enforcer';
export { JobAwaiter } from './processes/job-awaiter';
export { JOB_FOLD } from './processes/job-fold';
export { JobProjector } from './processes/job-projector';
export { JobRescuer } from './processes/job-rescuer';
export { LogKeeper } from './processes/log-keeper';
export { AwaitJob } from './read-models/await-job';
export { GenerationJobRow } from './read-models/generation-job.entity';
export type { JobOutputResource, JobResource, OutputLinks } from './read-models/job-resource';
export {
  GetJob,
  GetJobCosts,
  GetJobHistory,
  GetJobStatistics,
  GetJobSummary,
  ListJobs,
} from './read-models/queries';
export { readLostLeases } from './read-models/lost-leases';
export { READ_MODELS, rebuildReadModel } from './rebuild/rebuild-read-model';
export type { ReadModel, RebuildFinding, RebuildOutcome } from './rebuild/rebuild-read-model';
export { replayJob } from './read-models/replay';
export type { JobStatistic, JobSummary } from './read-models/statistics-reader';
export { LogNotEmpty, writeSyntheticHistory } from './synthetic/synthetic-history';
export type { SyntheticHistory } from './synthetic/synthetic-history';
export { ASPECT_RATIOS, DEFAULT_MODEL, MAX_IMAGES, MAX_PROMPT } from './text-to-image';
export type { AspectRatio, EffectiveParameters } from './text-to-image';
export { describeDifference, outputDifferences, rowDifferences } from './verification/job-differences';
export type { FieldDifference } from './verification/job-differences';
export { readJobRow } from './verification/stored-job';
export { verifyLedger } from './verification/verify-ledger';
