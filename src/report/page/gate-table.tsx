/** Gates: what was wanted, what was measured, where it is asked for. */
import type { GateReport } from '../document.js';
import { Badge, Scroll, Section, Value } from './base.js';
import { formatMetric } from './format.js';

export function GateTable({ gates }: { readonly gates: readonly GateReport[] }) {
  if (gates.length === 0) return null;
  return (
    <Section title="Gates">
      <Scroll label="Gates, a table">
        <table class="numbers">
          <thead>
            <tr>
              <th scope="col">metric</th>
              <th scope="col">value</th>
              <th scope="col">wanted</th>
              <th scope="col" class="text">
                verdict
              </th>
              <th scope="col" class="text">
                asked for in
              </th>
            </tr>
          </thead>
          <tbody>
            {gates.map((gate, i) => (
              <tr key={`${i} ${gate.metric}`} data-gate={i}>
                <th scope="row">{gate.metric}</th>
                <td>
                  <Value metric={gate.metric} value={gate.value} />
                </td>
                <td>{wanted(gate)}</td>
                <td class="text">
                  <Badge of={gate.verdict ?? 'not judged yet'} />
                </td>
                <td class="text">{gate.place === null ? '–' : <code>{gate.place}</code>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  );
}

function wanted({ metric, min, max }: GateReport): string {
  const parts = [
    min === null ? '' : `at least ${formatMetric(metric, min)}`,
    max === null ? '' : `at most ${formatMetric(metric, max)}`,
  ];
  return parts.filter(Boolean).join(', ');
}
