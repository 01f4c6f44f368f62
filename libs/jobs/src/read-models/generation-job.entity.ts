import { ViewColumn, ViewEntity } from 'typeorm';
import type { JobKind, JobStatus } from '../job-events';

/** A row of the view genledger.generation_jobs: what a reader sees of a job. */
@ViewEntity({ schema: 'genledger', name: 'generation_jobs', synchronize: false })
export class GenerationJobRow {
  @ViewColumn() id!: string;
  @ViewColumn() user_id!: string;
  @ViewColumn() project_id!: string | null;
  @ViewColumn() status!: JobStatus;
  @ViewColumn() mode!: string;
  @ViewColumn() input_asset_id!: string | null;
  @ViewColumn() error!: string | null;
  @ViewColumn() cost_cents!: number;
  @ViewColumn() created_at!: Date;
  @ViewColumn() updated_at!: Date;
  @ViewColumn() kind!: JobKind;
  @ViewColumn() model!: string | null;
  @ViewColumn() version!: number;
  @ViewColumn() attempt!: number;
  @ViewColumn() max_attempts!: number;
  @ViewColumn() priority!: number;
  @ViewColumn() run_at!: Date;
  @ViewColumn() deadline!: Date | null;
  @ViewColumn() reserved_cents!: number;
  @ViewColumn() error_code!: string | null;
  @ViewColumn() cancel_requested_at!: Date | null;
  @ViewColumn() started_at!: Date | null;
  @ViewColumn() completed_at!: Date | null;
  @ViewColumn() collection_id!: string | null;
  @ViewColumn() ordinal_number!: number | null;
  @ViewColumn() trait_overrides!: Record<string, string> | null;
  @ViewColumn() prompt!: string | null;
  @ViewColumn() negative_prompt!: string | null;
  @ViewColumn() metadata!: Record<string, string> | null;
  @ViewColumn() requested_parameters!: Record<string, unknown>;
  @ViewColumn() effective_parameters!: Record<string, unknown>;
  @ViewColumn() estimated_cents!: number;
  @ViewColumn() tags!: string[] | null;
  @ViewColumn() retry_of!: string | null;
}

/** The columns, for queries in SQL. */
export const GENERATION_JOB_COLUMNS = [
  'id, user_id, project_id, status, mode, input_asset_id, error, cost_cents, created_at, updated_at, kind, model, version',
  'attempt, max_attempts, priority, run_at, deadline, reserved_cents, error_code, cancel_requested_at, started_at',
  'completed_at, collection_id, ordinal_number, trait_overrides, prompt, negative_prompt, metadata, requested_parameters',
  'effective_parameters, estimated_cents, tags, retry_of',
].join(', ');
