/** The evaluation of a run: what its task shows, and what all tasks have. */
import { TaskView } from '../../tasks/views.js';
import { Parts, Section } from '../components/components.js';
import { MeasuredTable, Square } from '../components/measured.js';
import { numeric } from '../components/scales.js';
import type { RunReport } from '../run-report.js';

type EvaluationReport = NonNullable<RunReport['evaluation']>;

export function EvaluationView({ evaluation }: { readonly evaluation: EvaluationReport }) {
  const { split, epoch, step, task, reliability, coverage } = evaluation;
  const place = `${split} split, epoch ${epoch}, step ${step}`;
  return (
    <Parts>
      <TaskView report={task} place={place} />
      {reliability !== null && <Reliability bins={reliability} place={place} />}
      {coverage !== null && (
        <MeasuredTable
          title="Coverage"
          note={`How often intervals or sets contain the target; ${place}.`}
          format="test."
          {...coverage}
        />
      )}
      {task.scores !== null && (
        <MeasuredTable title={`Each ${task.scores.of}`} note={`${place}.`} format="test." {...task.scores} />
      )}
    </Parts>
  );
}

interface ReliabilityProps {
  readonly bins: NonNullable<EvaluationReport['reliability']>;
  readonly place: string;
}

function Reliability({ bins, place }: ReliabilityProps) {
  const scale = numeric(0, 1);
  return (
    <Section
      title="Reliability"
      note={`Probabilities in bins, and how often they came true; on the line both are equal; ${place}.`}
    >
      <Square
        label={`${bins.length} bins of probabilities, and the fractions that came true`}
        x={{ title: 'probability', scale }}
        y={{ title: 'came true', scale }}
        points={bins.map(({ probability: x, fraction: y }) => ({ x, y }))}
      />
    </Section>
  );
}
