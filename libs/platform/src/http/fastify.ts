import type { INestApplication } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { answerClientError, refuseExpectation, refuseTunnel } from './client-errors';
import { limitConnections } from './connection-limit';
import { toProblem } from './error-mapping';
import { checkContentHeaders, countHeader, installJsonBody } from './json-body';
import { trackAnswer } from './open-answers';
import { pathOf, ProblemFilter, sendProblem } from './problem-filter';
import { Problem } from './problems';
import { requestIdOf, runInRequestContext } from './request-context';
import { RouteMethods } from './routes';
import { RequestValidationPipe } from './validation';

const MIB = 1024 * 1024;

export interface HttpOptions {
  /** Bytes of body; 1 MiB where not given. */
  readonly bodyLimit?: number;
  /** Routes, as registered, with a limit of their own in bytes; 16 MiB for `/v1/jobs/batch` where not given. */
  readonly bodyLimits?: Readonly<Record<string, number>>;
  /** Routes that read JSON also where it comes labelled application/x-www-form-urlencoded. */
  readonly formLabelledJsonRoutes?: readonly string[];
  /** Milliseconds in which a whole request must have arrived; 30 s where not given. */
  readonly requestTimeout?: number;
  /** Milliseconds in which its headers must have arrived; 10 s where not given. */
  readonly headersTimeout?: number;
  /** Connections at a time; 10,000 where not given. */
  readonly maxConnections?: number;
}

/**
 * The HTTP server: strict parsing, time limits, problem details for everything that fails before Nest. Nest's own
 * option `return503OnClosing` stays off: this adapter refuses requests itself once the application closes.
 */
export function createFastifyAdapter(options: HttpOptions = {}): FastifyAdapter {
  const requestTimeout = options.requestTimeout ?? 30_000;
  const adapter = new DrainingAdapter({
    requestTimeout,
    // Of silence on a socket: longer than the longest wait (`Prefer: wait=60`) and than the pulse of event streams.
    connectionTimeout: 120_000,
    // Above the 60 s that load balancers usually keep a connection, so that they close it and not we.
    keepAliveTimeout: 65_000,
    bodyLimit: options.bodyLimit ?? MIB,
    routerOptions: { maxParamLength: 100 },
    trustProxy: false,
    return503OnClosing: false,
    genReqId: requestIdOf,
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) =>
      sendProblem(request, reply, toProblem(error)),
    clientErrorHandler: answerClientError,
    http: {
      headersTimeout: Math.min(options.headersTimeout ?? 10_000, requestTimeout),
      // Node looks for late requests only so often: half of the shortest limit, so that none is far overrun.
      connectionsCheckingInterval: Math.min(options.headersTimeout ?? 10_000, requestTimeout) / 2,
      maxHeaderSize: 16 * 1024,
      // Checked below, so that its absence is answered as a problem too.
      requireHostHeader: false,
    },
  });
  installJsonBody(adapter, {
    bodyLimit: options.bodyLimit ?? MIB,
    bodyLimits: options.bodyLimits ?? { '/v1/jobs/batch': 16 * MIB },
    formLabelledJsonRoutes: new Set(options.formLabelledJsonRoutes),
  });
  const { server } = adapter.getInstance();
  limitConnections(server, options.maxConnections ?? 10_000);
  server.on('connect', refuseTunnel);
  server.on('checkExpectation', refuseExpectation);
  const routes = new RouteMethods(adapter.getInstance());
  adapter.getInstance().addHook('onRequest', (request, reply, done) => {
    // Left without an answer: its connection is about to be closed.
    if (!trackAnswer(request.raw, reply.raw)) return;
    runInRequestContext({ requestId: request.id, baseUrl: `${request.protocol}://${request.host}` }, () => {
      setHeaders(request, reply);
      const problem = refusal(request, adapter, routes);
      if (problem?.headers['connection'] === 'close') reply.raw.shouldKeepAlive = false;
      done(problem);
    });
  });
  return adapter;
}

/** Sets the global filter and the global validation; guards come with PlatformHttpModule. */
export function configureHttp(app: INestApplication): void {
  app.useGlobalFilters(new ProblemFilter());
  app.useGlobalPipes(new RequestValidationPipe());
}

class DrainingAdapter extends FastifyAdapter {
  isDraining = false;

  override beforeClose(): void {
    super.beforeClose();
    this.isDraining = true;
  }
}

/** What is wrong with a request by its head alone, before any of its body is read. */
function refusal(
  request: FastifyRequest,
  adapter: DrainingAdapter,
  routes: RouteMethods,
): Problem | undefined {
  if (adapter.isDraining)
    return new Problem('service-unavailable', 'The server is stopping', { headers: CLOSE });
  if (!hasProperHost(request))
    return new Problem('bad-request', 'There is no proper Host', { headers: CLOSE });
  if (request.is404) return missing(request, routes);
  try {
    checkContentHeaders(request);
    return undefined;
  } catch (error) {
    return toProblem(error);
  }
}

const CLOSE = { connection: 'close' };
const HOST = /^(?:\[[\da-f:.]+\]|[\w.~-]+)(?::\d{1,5})?$/i;

/** One, and a name or an address: links in answers begin with it. HTTP/1.0 may leave it out. */
function hasProperHost(request: FastifyRequest): boolean {
  const { host } = request.headers;
  if (host === undefined) return request.raw.httpVersion === '1.0';
  return HOST.test(host) && countHeader(request, 'host') === 1;
}

function missing(request: FastifyRequest, routes: RouteMethods): Problem {
  const methods = routes.of(pathOf(request.url));
  if (methods.length === 0 || methods.includes(request.method)) return new Problem('not-found');
  return new Problem('method-not-allowed', undefined, { headers: { allow: methods.join(', ') } });
}

/** On the raw response, so that event streams, which bypass Fastify's, have them too. */
function setHeaders(request: FastifyRequest, { raw }: FastifyReply): void {
  raw.setHeader('X-Request-Id', request.id);
  raw.setHeader('X-Content-Type-Options', 'nosniff');
  raw.setHeader('Referrer-Policy', 'no-referrer');
  // By the route: there are many spellings of a URL that lead to it.
  if (!/^\/(v1|api)(\/|$)/.test(request.routeOptions.url ?? pathOf(request.url))) return;
  raw.setHeader('Cache-Control', 'private, no-store');
  raw.setHeader('Vary', 'Authorization');
  raw.setHeader('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'");
}
