"""Names and chance for the demo district: the same number gives the same person, in any order and on any machine."""

from __future__ import annotations

from typing import Final

_MASK: Final = 2**64 - 1

# Given names and family names as they stand side by side in a large city's rosters; nobody in particular is meant.
GIVEN_NAMES: Final = (  # noqa: SIM905 -- a word list reads better than many quoted words
    "Aaliyah Aaron Abigail Adrian Aiden Alejandra Alejandro Alexa Alina Amara Amir Ana Anahit Andrea Angel Anh "
    "Anthony Arjun Armen Ashley Ava Ayanna Benjamin Bianca Brandon Brianna Camila Carlos Carmen Chloe Christian "
    "Cristina Daniel Daniela David Deja Destiny Diego Elena Elijah Emily Emma Enrique Esteban Eva Evelyn Fatima "
    "Fernando Gabriel Gabriela Genesis Giselle Grace Guadalupe Gustavo Hana Hayk Hector Imani Isaac Isabella Ivan "
    "Jada Jamal Jasmine Javier Jayden Jennifer Ji-woo Joaquin Jocelyn Jordan Jose Joshua Juan Julia Kaia Kareem "
    "Karla Katherine Kayla Kenji Kevin Kimberly Layla Leilani Leonardo Leslie Liam Linh Lucia Luis Malik Manuel "
    "Marcus Maria Mariam Mateo Maya Melanie Mia Michael Miguel Minh Naomi Narek Natalia Nathan Nia Noah Noor Nora "
    "Oscar Paola Priya Rafael Raquel Ricardo Rosa Ruben Samantha Samuel Santiago Sara Sebastian Seo-yeon Serena "
    "Sofia Soo-jin Stephanie Suren Tatiana Thanh Tiana Tomas Valeria Vanessa Victor Vivian Wei Xavier Ximena Yahir "
    "Yesenia Yuki Zaid Zoe"
).split()
FAMILY_NAMES: Final = (  # noqa: SIM905 -- a word list reads better than many quoted words
    "Abrams Aguilar Ahmed Alvarado Alvarez Anderson Avila Bailey Banks Barrios Bautista Becerra Bell Brown Cabrera "
    "Calderon Campos Cardenas Castaneda Castillo Castro Cervantes Chang Chavez Chen Cho Choi Cohen Contreras Cortez "
    "Cruz Davis Delgado Diaz Dominguez Duran Escobar Espinoza Estrada Fernandez Figueroa Flores Franco Fuentes "
    "Gallegos Garcia Garza Ghazarian Gomez Gonzalez Grigoryan Guerrero Gutierrez Guzman Harris Hassan Hernandez "
    "Herrera Hovhannisyan Huang Huerta Ibarra Jackson Jimenez Johnson Jones Juarez Kang Kaur Khachatryan Khan Kim "
    "Kwon Lara Lee Leon Li Lim Liu Lopez Lozano Luna Macias Maldonado Marquez Martinez Medina Mejia Melendez Mendez "
    "Mendoza Meza Miller Mitchell Molina Montes Morales Moreno Munoz Nakamura Navarro Nguyen Nunez Ochoa Okafor "
    "Orozco Ortega Ortiz Pacheco Padilla Park Patel Pena Perez Petrosyan Pham Ponce Quintero Ramirez Ramos Reyes "
    "Rios Rivas Rivera Robinson Robles Rodriguez Rojas Romero Rosales Rosas Ruiz Salas Salazar Salinas Sanchez "
    "Sandoval Santos Sargsyan Sato Serrano Silva Singh Smith Solis Soto Suarez Tanaka Taylor Tran Trevino Trujillo "
    "Valdez Valencia Vargas Vasquez Vega Velasquez Villa Villanueva Washington White Williams Wilson Wong Yang "
    "Young Zamora Zavala Zhang Zuniga"
).split()
SCHOOL_NAMES: Final = (  # noqa: SIM905 -- a word list reads better than many quoted words
    "Alder Arroyo Bellflower Bluff Canyon Cedar Chaparral Cypress Eastlake Elm Foothill Garnet Grove Harbor "
    "Hillcrest Jacaranda Juniper Lakeview Laurel Lupine Magnolia Manzanita Marigold Mesa Mission Monarch Oak Ocean "
    "Olive Orchard Palisade Palm Pepper Pine Poppy Ridge Riverside Rosewood Sage Seabreeze Sequoia Sierra Sunrise "
    "Sycamore Terrace Valley Vista Willow"
).split()


def mix(number: int) -> int:
    """Scramble a number into 64 even bits (SplitMix64): chance without a state, so that anything can be made first."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)


def chance(seed: int, topic: int, number: int, other: int = 0) -> int:
    """Return 64 bits that belong to this thing of this district, and to nothing else."""
    return mix(mix(mix(seed * 256 + topic) + number) + other)


def person_name(bits: int) -> tuple[str, str]:
    """Return a given and a family name."""
    return GIVEN_NAMES[bits % len(GIVEN_NAMES)], FAMILY_NAMES[(bits >> 20) % len(FAMILY_NAMES)]


def school_name(number: int) -> str:
    """Return the name of a school, without its kind; unlike those of the schools around it."""
    first = SCHOOL_NAMES[number * 17 % len(SCHOOL_NAMES)]
    if number < len(SCHOOL_NAMES):
        return first
    second = SCHOOL_NAMES[(number // len(SCHOOL_NAMES) * 5 + number) % len(SCHOOL_NAMES)]
    return f"{first} {second}" if first != second else f"{first} North"
