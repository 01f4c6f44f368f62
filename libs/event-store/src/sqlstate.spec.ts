import { CommandRejected, OutcomeUnknown, sqlState, StoreUnavailable, verdictOn } from './sqlstate';

const failed = (code: string): Error => Object.assign(new Error('failed'), { code });

describe('the verdict on an error of a batch', () => {
  it.each([
    ['40001', 'repeat', 'serialization failure'],
    ['40P01', 'repeat', 'deadlock'],
    ['55P03', 'blocked', 'lock timeout'],
    ['22001', 'culprit', 'text too long'],
    ['22P05', 'culprit', 'a character that PostgreSQL cannot store'],
    ['23505', 'culprit', 'unique violation'],
    ['23514', 'culprit', 'no partition for the row'],
    ['54000', 'culprit', 'a limit of the program'],
    ['08006', 'disconnected', 'connection failure'],
    ['57P01', 'disconnected', 'terminated by an administrator'],
    ['57P02', 'disconnected', 'crash shutdown'],
    ['57P03', 'disconnected', 'starting up'],
    ['57014', 'unavailable', 'statement cancelled'],
    ['53100', 'unavailable', 'disk full'],
    ['53300', 'unavailable', 'too many connections'],
    ['42501', 'bug', 'permission denied'],
    ['42P01', 'bug', 'no such table'],
    ['25006', 'bug', 'read-only transaction'],
    ['P0001', 'bug', 'raised by a function'],
  ])('of SQLSTATE %s is %s (%s)', (code, verdict) => {
    expect(verdictOn(failed(code))).toBe(verdict);
  });

  it.each(['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EHOSTUNREACH'])(
    'of a socket that fails with %s is disconnected',
    (code) => {
      expect(verdictOn(failed(code))).toBe('disconnected');
    },
  );

  it.each([
    'Connection terminated unexpectedly',
    'Connection terminated',
    'Connection terminated due to connection timeout',
    'Client has encountered a connection error and is not queryable',
    'Client was closed and is not queryable',
    'timeout exceeded when trying to connect',
    'Query read timeout',
  ])('of the driver saying "%s" is disconnected', (message) => {
    expect(verdictOn(new Error(message))).toBe('disconnected');
  });

  it.each([new TypeError('x is not a function'), 'a text', undefined, null, failed('ERR_OUT_OF_RANGE')])(
    'of anything else is a bug: %p',
    (error) => {
      expect(verdictOn(error)).toBe('bug');
    },
  );
});

describe('the SQLSTATE of an error', () => {
  it('is its code, where that has the form of one', () => {
    expect(sqlState(failed('40001'))).toBe('40001');
    expect(sqlState(failed('EPIPE'))).toBeUndefined();
    expect(sqlState(Object.assign(new Error(), { code: 23505 }))).toBeUndefined();
    expect(sqlState(new Error('none'))).toBeUndefined();
    expect(sqlState(null)).toBeUndefined();
  });
});

it.each([
  new StoreUnavailable(failed('53300')),
  new OutcomeUnknown(failed('53300')),
  new CommandRejected('53300', failed('53300')),
])('%s keeps its cause', (error) => {
  expect(error.cause).toMatchObject({ code: '53300' });
});
