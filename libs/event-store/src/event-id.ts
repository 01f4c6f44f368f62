/** How far the log goes: its epoch, and the highest position that was ever given out in it. */
export interface LogExtent {
  readonly epoch: number;
  readonly highest: number;
}

/**
 * `malformed`: no event id. `another_epoch`: the log was restored since, so what came before it there may not be what
 * comes before it here. `ahead`: a position that this log has not given out.
 */
export type ResumeRefusal = 'malformed' | 'another_epoch' | 'ahead';

const FORM = /^([1-9]\d{0,8}):(0|[1-9]\d{0,14})$/;

/** `epoch:position`: names an event of this log, and of no other that was restored to before it. */
export function eventId(epoch: number, position: number): string {
  return `${epoch}:${position}`;
}

/** The position to go on above, or why this log cannot tell. */
export function resumePosition(id: string, extent: LogExtent): number | ResumeRefusal {
  const [, epoch, position] = FORM.exec(id) ?? [];
  if (epoch === undefined || position === undefined) return 'malformed';
  if (Number(epoch) !== extent.epoch) return 'another_epoch';
  return Number(position) > extent.highest ? 'ahead' : Number(position);
}
