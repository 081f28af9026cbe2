/** One sweep, live. */
import type { SweepReport } from '../../document.js';
import { SweepView } from '../sweep-view.js';
import { encodePath } from './route.js';
import { useLive } from './use-live.js';
import { Alert, useTitle, Waiting } from './views.js';

export function SweepPage({ path }: { readonly path: string }) {
  const { document: report, trouble } = useLive<SweepReport>(`/api/sweeps/${encodePath(path)}`, keep);
  useTitle(report === undefined ? path : `${report.state}: ${report.name} ${report.id}`);
  if (report === undefined) return <Waiting title={path} trouble={trouble} />;
  return (
    <>
      {trouble !== undefined && <Alert>{trouble}</Alert>}
      <SweepView report={report} />
      {report.trials.length === 0 && <p>No trial has begun yet; they appear here as they do.</p>}
    </>
  );
}

/** Sweeps are sent whole. */
function keep(report: SweepReport): SweepReport {
  return report;
}
