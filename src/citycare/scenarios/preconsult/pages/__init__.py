"""Pages of the pre-consultation: for the patient, the doctor and the authors."""
