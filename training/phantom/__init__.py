"""Seeded mammography phantoms: four correlated views of one woman, findings with known truth, written as DICOM.

For demonstrations, load tests and for showing that each method learns what it should; never for a clinical claim.

    woman -> texture -> breast -> lesions -> exam -> acquisition -> dicom -> study -> commands
"""
