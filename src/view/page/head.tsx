import type { Measured, RunReport } from '../run-report.js';
import type { SweepReport } from '../sweep-report.js';
import { Badge, useHeading, Value } from './components.js';
import { Tags } from './run-columns.js';

interface Tile {
  readonly name: string;
  readonly title: string;
  readonly metric: string;
  readonly value: Measured;
  readonly more?: string | null;
}

interface HeadProps {
  readonly kind: 'Run' | 'Sweep';
  readonly report: RunReport | SweepReport;
  readonly tiles: readonly (Tile | null | undefined)[];
  readonly notes: readonly (string | null)[];
}

export function Head({ kind, report, tiles, notes }: HeadProps) {
  const { id, name, state, tags, note } = report;
  const Heading = useHeading(0);
  const { description = null, message = null } = report.kind === 'run' ? report : {};
  return (
    <header>
      <p class="eyebrow">
        {kind} <span class="id">{id}</span>
      </p>
      <Heading>
        {name} <Badge of={state} />
      </Heading>
      {description !== null && <p class="lead">{description}</p>}
      {tags.length > 0 && (
        <p class="tags">
          <Tags tags={tags} />
        </p>
      )}
      {note !== null && <p class="remarks">{note}</p>}
      {message !== null && (
        <p class="alert" role="note">
          {message}
        </p>
      )}
      <dl class="tiles">
        {tiles.map(
          tile =>
            tile && (
              <div key={tile.name} data-metric={tile.name}>
                <dt>{tile.title}</dt>
                <dd>
                  <Value metric={tile.metric} value={tile.value} />
                  {tile.more && <small> {tile.more}</small>}
                </dd>
              </div>
            ),
        )}
      </dl>
      {notes.map(text => text && <p class="note">{text}</p>)}
    </header>
  );
}
