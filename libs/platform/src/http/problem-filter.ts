import { Catch, Logger } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isValidationGap, toProblem } from './error-mapping';
import { PROBLEM_MEDIA_TYPE } from './problems';
import type { Problem } from './problems';

/** Answers every error that reaches Nest or Fastify as application/problem+json. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Http');

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const problem = toProblem(error);
    this.log(error, problem, request);
    // Of a stream that has begun, only its end can still be told: cut, so that it is not taken for complete.
    if (reply.sent || reply.raw.headersSent) reply.raw.destroy();
    else sendProblem(request, reply, problem);
  }

  private log(error: unknown, problem: Problem, request: FastifyRequest): void {
    const entry = {
      message: `${request.method} answered ${problem.code}`,
      request_id: request.id,
      path: pathOf(request.url),
      status: problem.status,
    };
    if (problem.status >= 500) this.logger.error({ ...entry, err: problem.cause ?? error });
    else if (isValidationGap(error))
      this.logger.error({ ...entry, message: 'The database refused a value', err: error });
    else if (problem.status === 401 || problem.status === 403) this.logger.warn({ ...entry, ip: request.ip });
  }
}

/** Writes the problem as the answer to this request. */
export function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): void {
  const body = problem.toBody(pathOf(request.url), request.id);
  void reply
    .code(problem.status)
    .headers(problem.headers)
    .header('x-request-id', request.id)
    .header('cache-control', 'private, no-store')
    .header('content-type', PROBLEM_MEDIA_TYPE)
    // As bytes: to text Fastify would append a charset, which application/problem+json does not have.
    .send(Buffer.from(JSON.stringify(body)));
}

/** The path of a request's target, absolute or not: a query may hold what should not be repeated in an answer or a log. */
export function pathOf(target: string): string {
  const path = target.replace(/^https?:\/\/[^/?#]*/i, '');
  const end = path.search(/[?#]/);
  return (end === -1 ? path : path.slice(0, end)) || '/';
}
