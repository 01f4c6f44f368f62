import type { JobKind } from './job-events';

/** Integer cents of one image, by kind. Jobs carry what they were priced at: changing this changes no past job. */
const CENTS_PER_IMAGE: Readonly<Record<Exclude<JobKind, 'external'>, number>> = {
  text_to_image: 4,
  nft_edition: 4,
  model_row: 5,
  variant: 5,
};

/** What `images` images cost. Work that is done elsewhere is not priced here: its owner states what it cost. */
export function priceInCents(kind: JobKind, images: number): number {
  return kind === 'external' ? 0 : CENTS_PER_IMAGE[kind] * images;
}
