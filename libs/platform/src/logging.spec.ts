import { createLogger, JsonLogger } from './logging';
import { runInRequestContext } from './http/request-context';

const logged = (write: (logger: JsonLogger) => void): { lines: string[]; entry: Record<string, unknown> } => {
  const lines: string[] = [];
  write(new JsonLogger(createLogger('debug', { write: (line: string) => lines.push(line) })));
  return { lines, entry: JSON.parse(lines[0] ?? '{}') as Record<string, unknown> };
};

describe('the log', () => {
  it('is one line of JSON an entry, whatever is in it', () => {
    const { lines, entry } = logged((logger) => logger.log('a\n{"level":"fatal"}\u001b[31m', 'Context'));
    expect(lines).toHaveLength(1);
    expect(lines[0]?.trimEnd()).not.toMatch(/[\n\u001b]/);
    expect(entry).toMatchObject({ level: 'info', context: 'Context', msg: 'a\n{"level":"fatal"}\u001b[31m' });
  });

  it('carries the id of the request', () => {
    const { entry } = logged((logger) => runInRequestContext({ requestId: 'r-1' }, () => logger.warn('x')));
    expect(entry).toMatchObject({ level: 'warn', request_id: 'r-1' });
  });

  it('keeps an error with its stack and the fields beside it', () => {
    const { entry } = logged((logger) =>
      logger.error({ message: 'failed', status: 500, err: new Error('boom') }, 'Http'),
    );
    expect(entry).toMatchObject({ msg: 'failed', status: 500, context: 'Http', err: { message: 'boom' } });
    expect(logged((logger) => logger.error(new Error('boom'))).entry).toMatchObject({ msg: 'boom' });
    expect(logged((logger) => logger.error('m', 'Error: at x', 'C')).entry).toMatchObject({
      stack: 'Error: at x',
      context: 'C',
    });
  });

  it('leaves out what is below its level', () => {
    expect(logged((logger) => logger.verbose('x')).lines).toEqual([]);
  });

  it.each([
    ['a bearer token in a message', 'sent Bearer hunter2hunter2'],
    ['a token in a message', 'got eyJhbGciOiJI.hunter2.hunter2'],
    ['a password in a URL', 'connecting to postgres://app:hunter2@db/x'],
    ['a field of a header', { headers: { authorization: 'hunter2 "quoted"', cookie: 'hunter2' } }],
    ['a field of any depth', { a: { b: { c: { lease_token: 'hunter2', password: 'hunter2' } } } }],
    ['the message of an error', { err: new Error('no login for amqp://u:hunter2@h') }],
  ])('blanks %s', (_name, message) => {
    const { lines } = logged((logger) => logger.log(message));
    expect(lines[0]).toContain('[redacted]');
    expect(lines[0]).not.toContain('hunter2');
    expect(() => JSON.parse(lines[0] ?? '') as unknown).not.toThrow();
  });
});
