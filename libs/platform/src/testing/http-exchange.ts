import { connect } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

/** Writes bytes to the port as they are, and reads until the server closes. */
export async function exchange(port: number, bytes: string | Buffer): Promise<Answer> {
  const received = await new Promise<string>((done, fail) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1');
    socket.on('data', (chunk) => chunks.push(chunk));
    // A server that answers early may reset what is still being sent; the answer has been read by then.
    socket.on('error', (error) => (chunks.length > 0 ? undefined : fail(error)));
    socket.on('close', () => done(Buffer.concat(chunks).toString()));
    socket.write(bytes);
  });
  const [head = '', ...rest] = received.split('\r\n\r\n');
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  );
  const text = rest.join('\r\n\r\n');
  const isJson = /json/.test(headers['content-type'] ?? '') && text !== '';
  return {
    status: Number(statusLine.split(' ')[1]),
    headers,
    text,
    json: isJson ? (JSON.parse(text) as Record<string, unknown>) : {},
  };
}

/** A request as bytes; `headers` are written line by line as given. */
export function requestBytes(
  method: string,
  path: string,
  headers: readonly string[],
  body?: string | Buffer,
): Buffer {
  const content = body === undefined ? Buffer.alloc(0) : Buffer.from(body as string);
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...headers];
  if (body !== undefined && !headers.some((line) => /^(content-length|transfer-encoding):/i.test(line))) {
    lines.push(`Content-Length: ${content.length}`);
  }
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), content]);
}

/** Asserts that the answer is this problem, and that it is one in every respect. */
export function expectProblem(answer: Answer, status: number, code: string): void {
  expect({ status: answer.status, code: answer.json['code'] }).toEqual({ status, code });
  expect(answer.headers['content-type']).toBe('application/problem+json');
  expect(answer.json).toMatchObject({ type: `urn:genledger:problem:${code}`, status });
  for (const member of ['title', 'detail', 'request_id']) expect(answer.json[member]).toMatch(/./);
  expect(answer.headers['x-request-id']).toBe(answer.json['request_id']);
  expect(answer.headers['cache-control']).toContain('no-store');
  expect(answer.text).not.toMatch(/genledger\.\w|select|\$1|node_modules|Error:/);
}
