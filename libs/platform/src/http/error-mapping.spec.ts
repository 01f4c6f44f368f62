import { BadRequestException, ForbiddenException, HttpException } from '@nestjs/common';
import { isValidationGap, toProblem } from './error-mapping';
import { Problem } from './problems';

const pg = (code: string): Error =>
  Object.assign(new Error('relation "genledger.jobs" violates "jobs_pkey"'), {
    code,
    severity: 'ERROR',
    table: 'jobs',
  });

describe('an error of PostgreSQL', () => {
  it.each([
    ['22P02', 422, 'invalid-value'],
    ['22003', 422, 'invalid-value'],
    ['22021', 422, 'invalid-value'],
    ['54000', 422, 'invalid-value'],
    ['23514', 422, 'invalid-value'],
    ['23502', 422, 'invalid-value'],
    ['23503', 422, 'unknown-reference'],
    ['23505', 409, 'conflict'],
    ['42501', 404, 'not-found'],
    ['40001', 409, 'conflict'],
    ['40P01', 409, 'conflict'],
    ['55P03', 409, 'conflict'],
    ['57014', 503, 'service-unavailable'],
    ['53300', 503, 'service-unavailable'],
    ['53200', 503, 'service-unavailable'],
    ['53100', 503, 'storage-exhausted'],
    ['08006', 503, 'service-unavailable'],
    ['57P01', 503, 'service-unavailable'],
    ['57P03', 503, 'service-unavailable'],
    ['42P01', 500, 'internal-error'],
    ['25006', 500, 'internal-error'],
  ])('%s is answered %i %s, and nothing of it is shown', (state, status, code) => {
    for (const error of [
      pg(state),
      Object.assign(new Error('QueryFailedError'), { driverError: pg(state) }),
    ]) {
      const problem = toProblem(error);
      expect(problem).toMatchObject({ status, code, cause: error });
      expect(JSON.stringify(problem.toBody('/x', 'r'))).not.toMatch(/jobs|relation|violates/);
    }
  });

  it('says when to come back for lost races and outages', () => {
    for (const state of ['40001', '57014', '53100', '08006']) {
      expect(toProblem(pg(state)).headers['retry-after']).toMatch(/^\d+$/);
    }
    expect(toProblem(pg('23505')).headers).toEqual({});
  });

  it('counts also inside of what the event store or TypeORM wrap it in', () => {
    const wrapped = new Error('the event store cannot be reached', { cause: pg('57P01') });
    expect(toProblem(wrapped)).toMatchObject({ status: 503, code: 'service-unavailable' });
    const rejected = new Error('the database refused the command', { cause: pg('22003') });
    expect(toProblem(rejected)).toMatchObject({ status: 422, code: 'invalid-value' });
    expect(isValidationGap(rejected)).toBe(true);
  });

  it('is a gap in the validation where a value came through, or row-level security had to stop it', () => {
    expect(['22P02', '23514', '42501'].map((state) => isValidationGap(pg(state)))).toEqual([
      true,
      true,
      true,
    ]);
    expect(['23505', '40001', '57014'].map((state) => isValidationGap(pg(state)))).toEqual([
      false,
      false,
      false,
    ]);
  });
});

describe('any other error', () => {
  it.each([
    [new Error('secret of the house'), 500, 'internal-error'],
    ['a string', 500, 'internal-error'],
    [undefined, 500, 'internal-error'],
    [new BadRequestException('x'), 400, 'bad-request'],
    [new ForbiddenException(), 403, 'forbidden'],
    [new HttpException('teapot', 418), 500, 'internal-error'],
    [Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), 503, 'service-unavailable'],
    [new Error('timeout exceeded when trying to connect'), 503, 'service-unavailable'],
    [new Error('Connection terminated unexpectedly'), 503, 'service-unavailable'],
    [
      Object.assign(new Error('x'), { code: 'FST_ERR_CTP_BODY_TOO_LARGE', statusCode: 413 }),
      413,
      'payload-too-large',
    ],
    [Object.assign(new Error('x'), { code: 'FST_ERR_BAD_URL', statusCode: 400 }), 400, 'malformed-url'],
    [Object.assign(new Error('x'), { code: '40001' }), 500, 'internal-error'],
    [Object.assign(new Error('x'), { statusCode: 500 }), 500, 'internal-error'],
  ])('%p is answered %i %s', (error, status, code) => {
    expect(toProblem(error)).toMatchObject({ status, code });
    expect(toProblem(error).message).not.toMatch(/secret|teapot|^x$/);
  });

  it('stays what it is when it is a problem', () => {
    const problem = new Problem('lease-lost');
    expect(toProblem(problem)).toBe(problem);
  });
});
