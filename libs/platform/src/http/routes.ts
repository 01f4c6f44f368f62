import type { FastifyInstance, RouteOptions } from 'fastify';

/** Which methods each path has, for answers 405 with `Allow`. Asked only for requests that matched no route. */
export class RouteMethods {
  private readonly routes = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();

  constructor(fastify: FastifyInstance) {
    fastify.addHook('onRoute', (route) => this.add(route));
  }

  /** The methods that this path would answer to, sorted. */
  of(path: string): readonly string[] {
    const methods = new Set<string>();
    for (const route of this.routes.values()) {
      if (route.pattern.test(path)) for (const method of route.methods) methods.add(method);
    }
    return [...methods].sort();
  }

  private add(route: RouteOptions): void {
    let known = this.routes.get(route.url);
    if (known === undefined) {
      known = { pattern: patternOf(route.url), methods: new Set() };
      this.routes.set(route.url, known);
    }
    for (const method of [route.method].flat()) known.methods.add(method);
  }
}

/** Fastify's route syntax, as far as routes here use it: `:parameter` in a segment, `*` at the end. */
function patternOf(url: string): RegExp {
  const source = url
    .split(/(:\w+|\*)/)
    .map((part) => {
      if (part === '*') return '.*';
      return part.startsWith(':') ? '[^/]+' : part.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
    })
    .join('');
  return new RegExp(`^${source}$`);
}
