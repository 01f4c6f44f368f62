import { exchange, requestBytes } from '../../libs/platform/src/testing/http-exchange';

/** An operation of the OpenAPI document. */
export interface Operation {
  /** As the document spells it: `GET /v1/jobs/{id}`. */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  /** Answers without credentials. */
  readonly isPublic: boolean;
}

/** All that the server at this port says it does. */
export async function operationsOf(port: number): Promise<readonly Operation[]> {
  const { json } = await exchange(port, requestBytes('GET', '/openapi.json', []));
  const paths = json['paths'] as Record<string, Record<string, { readonly security?: readonly object[] }>>;
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([verb, { security }]) => {
      const method = verb.toUpperCase();
      return { name: `${method} ${path}`, method, path, isPublic: security?.length === 0 };
    }),
  );
}

/** The path with this id in the place of its parameter. */
export function pathWith(path: string, id: string): string {
  return path.replace(/\{\w+\}/, id);
}
