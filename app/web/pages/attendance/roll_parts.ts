/** What is fetched when it is first wanted, in one file: cut into its parts it would be heavier, and asked for once for each. */
export { DetailsForm } from "./details_form.tsx";
export { EntryNeeds, Needs } from "./entry_needs.tsx";
export { SeatsForm } from "./seats_form.tsx";
export { WeekTable } from "./week_table.tsx";
