-- Runs that were cut short: under the lock of imports nobody else can be running.
UPDATE roster_import SET outcome = 'failed', finished_at = clock_timestamp(),
  report = report || '{"sentence": "The run was cut short; importing again finishes it."}'
WHERE outcome = 'running'
