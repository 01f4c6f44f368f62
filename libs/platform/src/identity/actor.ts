export const ROLES = ['user', 'service', 'worker', 'auditor', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Who acts: a user id (canonical lower-case UUID) and what they may do. */
export interface Actor {
  readonly userId: string;
  readonly role: Role;
}

export function isRole(value: unknown): value is Role {
  return ROLES.some((role) => role === value);
}
