import { acceptsEventStream, prefersEventStream } from './accept';

it.each([
  'text/event-stream',
  'Text/Event-Stream',
  'text/event-stream;charset=utf-8',
  'text/event-stream, */*',
  'text/event-stream, application/*;q=0.9',
  'application/json;q=0.5, text/event-stream',
  'text/*, application/json;q=0.2',
  'application/json;q=0, text/event-stream;q=0.1',
  'text/event-stream;q=oops',
])('wants a stream with Accept: %s', (accept) => {
  expect(prefersEventStream(accept, 'application/json')).toBe(true);
  expect(acceptsEventStream(accept)).toBe(true);
});

it.each([
  undefined,
  '',
  '*/*',
  'application/json',
  'application/json, text/event-stream',
  'text/event-stream;q=0.5, application/json',
  'text/event-stream;q=0, */*;q=0.1',
  'text/html, application/xhtml+xml, */*;q=0.8',
  'text/event-streams',
  'text/event-stream;q=0.9, */*',
])('is content with JSON with Accept: %s', (accept) => {
  expect(prefersEventStream(accept, 'application/json')).toBe(false);
});

it.each([
  [undefined, true],
  ['*/*', true],
  ['text/*', true],
  ['application/json', false],
  ['*/*, text/event-stream;q=0', false],
  ['text/event-stream;q=0.000', false],
])('takes a stream with Accept: %s: %s', (accept, taken) => {
  expect(acceptsEventStream(accept)).toBe(taken);
});
