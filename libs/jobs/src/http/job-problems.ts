import { Problem } from '@genledger/platform';
import type { ProblemCode } from '@genledger/platform';
import type { JobItemRefusal, JobOutcome } from '../job-item';
import type { NoPast } from '../read-models/job-history';

interface Answer {
  readonly code: ProblemCode;
  readonly detail: string;
  /** Where the fault is in the body, if it is in one field. */
  readonly pointer?: string;
}

/** The one place where refusals become answers. */
const ANSWERS: Readonly<Record<JobItemRefusal, Answer>> = {
  not_found: { code: 'not-found', detail: 'There is no such job' },
  already_exists: { code: 'conflict', detail: 'The job exists' },
  already_finished: {
    code: 'job-already-finished',
    detail: 'The job has ended; ended jobs never change their status',
  },
  invalid_transition: {
    code: 'invalid-transition',
    detail: 'The job cannot go there from the status it has',
  },
  lease_lost: { code: 'lease-lost', detail: 'Another attempt holds the lease of this job' },
  not_external: { code: 'forbidden', detail: 'Only jobs of kind external are moved along by their owner' },
  only_lease_holder: { code: 'forbidden', detail: 'A worker holds the job; only it can end it' },
  cost_cannot_fall: {
    code: 'out-of-range',
    detail: 'What was incurred cannot be taken back',
    pointer: '#/cost_cents',
  },
  not_finished: { code: 'invalid-transition', detail: 'The job has not succeeded yet' },
  only_queued: { code: 'invalid-transition', detail: 'Only queued jobs can be changed' },
  deadline_exceeded: { code: 'out-of-range', detail: 'The deadline has passed', pointer: '#/deadline' },
  invalid_value: { code: 'invalid-value', detail: 'The job has a value that cannot be stored' },
  unknown_reference: { code: 'unknown-reference', detail: 'It does not exist, or is not yours' },
  idempotency_key_reused: { code: 'idempotency-key-reused', detail: 'The key stands for another request' },
};

export function refusalProblem(refusal: JobItemRefusal, pointer?: string): Problem {
  const answer = ANSWERS[refusal];
  const at = pointer ?? answer.pointer;
  return new Problem(answer.code, answer.detail, {
    errors: at === undefined ? undefined : [{ pointer: at, code: answer.code, detail: answer.detail }],
  });
}

export function blockedProblem(): Problem {
  return new Problem('conflict', 'Someone else is changing the job', { headers: { 'retry-after': '1' } });
}

/** The problem that an outcome stands for, or undefined where the command went through. */
export function outcomeProblem(outcome: JobOutcome): Problem | undefined {
  switch (outcome.status) {
    case 'accepted':
    case 'unchanged':
    case 'replayed':
      return undefined;
    case 'refused':
      return refusalProblem(outcome.code, outcome.pointer);
    case 'conflict':
      return blockedProblem();
  }
}

/** Why there is nothing to show as of then. */
export function noPastProblem(reason: NoPast): Problem {
  switch (reason) {
    case 'absent':
      return new Problem('not-found');
    case 'not_created_yet':
      return new Problem('not-created-yet', 'The job had not been queued by then');
    case 'in_the_future':
      return notPastProblem('The time is still to come');
    case 'beyond_the_log':
      return notPastProblem('The log is not settled up to that position');
  }
}

function notPastProblem(detail: string): Problem {
  const code = 'out-of-range';
  return new Problem(code, detail, { errors: [{ pointer: '#/as_of', code, detail }] });
}
