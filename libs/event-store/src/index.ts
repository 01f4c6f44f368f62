export { accept, fold, refuse, unchanged } from './decider';
export type { Decider, Decision, DomainEvent, Recorded } from './decider';
export { Doorbell } from './doorbell';
export { eventId, resumePosition } from './event-id';
export type { LogExtent, ResumeRefusal } from './event-id';
export {
  appendStatement,
  callOf,
  commitContent,
  contentHash,
  contentsStatement,
  NotIJson,
  toIJson,
} from './event-rows';
export type { EventMeta, NewContent, NewEvent } from './event-rows';
export { EVENT_STORE, EventStoreModule } from './event-store.module';
export type { EventStoreConnection, EventStoreModuleOptions } from './event-store.module';
export { Feed, Watermark } from './feed';
export type { Follower, Interest, News } from './follower';
export { GroupCommit } from './group-commit';
export type { BatchCategory, BatchPlan, LoadMode, Statement } from './batch-transaction';
export type { GroupCommitOptions } from './group-commit';
export {
  bigintArray,
  byteaArray,
  intArray,
  jsonArray,
  textArray,
  tidArray,
  timestampArray,
  uuidArray,
} from './pg-arrays';
export { readLogCondition } from './log-condition';
export type { LogCondition } from './log-condition';
export { LogTail } from './log-tail';
export { Projector } from './projector';
export type { CheckpointOutcome, Fold } from './projector';
export { CommandRejected, OutcomeUnknown, sqlState, StoreUnavailable, verdictOn } from './sqlstate';
export type { Verdict } from './sqlstate';
export { STORED_EVENT_COLUMNS, StreamStore, WITH_CONTENT } from './streams';
export type {
  Append,
  AppendedEvent,
  AppendOutcome,
  ExpectedVersion,
  StoredEvent,
  StreamAppend,
  VersionConflict,
} from './streams';
export { Wait } from './wait';
export { WatermarkWatch } from './watermark-watch';
