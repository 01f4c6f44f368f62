import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, IsString, Max, MaxLength, Min } from 'class-validator';
import { ASPECT_RATIOS, IsNotBlank, MAX_IMAGES, MAX_PROMPT, Optional } from '@genledger/jobs';

/** The seed's body, in its own words. */
export class TextToImageDto {
  @ApiProperty({ maxLength: MAX_PROMPT, example: 'A sunset' })
  @IsString()
  @IsNotBlank()
  @MaxLength(MAX_PROMPT)
  prompt!: string;

  @ApiPropertyOptional({ maxLength: MAX_PROMPT })
  @Optional()
  @IsString()
  @MaxLength(MAX_PROMPT)
  negativePrompt?: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: MAX_IMAGES, example: 2 })
  @Optional()
  @IsInt()
  @Min(1)
  @Max(MAX_IMAGES)
  numberOfImages?: number;

  @ApiPropertyOptional({ enum: ASPECT_RATIOS, example: '16:9' })
  @Optional()
  @IsIn(ASPECT_RATIOS)
  aspectRatio?: (typeof ASPECT_RATIOS)[number];

  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: 2_147_483_647 })
  @Optional()
  @IsInt()
  @Min(0)
  @Max(2_147_483_647)
  seed?: number;
}
